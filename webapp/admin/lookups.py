"""Which tenant a request is about, and what its sender typed."""

from flask import abort, request

from webapp.admin.base import reading
from webapp.models.tenant import Tenant
from webapp.tenants.queries import get_tenant
from webapp.texts import as_typed

MAX_DIGITS = 18


def asked() -> Tenant:
    """The tenant whose number the address or the form names; 404 where there is none."""
    tenant = get_tenant(reading(), number_in(request.form.get("id") or request.args.get("id")))
    if tenant is None:
        abort(404)
    return tenant


def number_in(text: str | None) -> int:
    """The number that somebody sent; 404 for what is none."""
    if not text or not (text.isascii() and text.isdigit()) or len(text) > MAX_DIGITS:
        abort(404)
    return int(text)


def is_typed(text: str, name: str) -> bool:
    """Whether the text is the name as a page shows it, whether copied from there or typed.

    What cannot be seen need not be typed. A name of nothing else, as one of old may be, is
    said by `typeable`.
    """
    return as_typed(text) == as_typed(typeable(name))


def typeable(name: str) -> str:
    """What a page asks to type for this name: the name, or the code points of what is not seen."""
    return name if as_typed(name) else " ".join(f"U+{ord(each):04X}" for each in name)


def status() -> int:
    """A form that is shown again after it was sent has something in it that is refused."""
    return 422 if request.method == "POST" else 200
