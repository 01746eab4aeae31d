"""The tenant that a request names, and the confirmation that its user typed."""

from flask import abort, request

from webapp.admin.base import reading
from webapp.models.tenant import Tenant
from webapp.tenants.queries import get_tenant
from webapp.texts import as_typed, whole_number


def find_tenant() -> Tenant:
    """The tenant whose number is in the address or the form; 404 without one."""
    tenant = get_tenant(reading(), number_in(request.form.get("id") or request.args.get("id")))
    if tenant is None:
        abort(404)
    return tenant


def number_in(text: str | None) -> int:
    """The number in the text; 404 for anything else."""
    number = whole_number(text or "")
    if number is None:
        abort(404)
    return number


def is_typed(text: str, name: str) -> bool:
    """Whether the text is the name; invisible characters are ignored. See `typeable`."""
    return as_typed(text) == as_typed(typeable(name))


def typeable(name: str) -> str:
    """What a page asks to type for this name: the name, or code points where it is invisible."""
    return name if as_typed(name) else " ".join(f"U+{ord(each):04X}" for each in name)


def status() -> int:
    """422 for a form that is shown again after it was sent, since a field was refused."""
    return 422 if request.method == "POST" else 200
