"""Which tenant a request is about, and what its sender typed."""

import unicodedata

from flask import abort, request

from webapp.admin.base import reading
from webapp.tenants.models import Tenant
from webapp.tenants.queries import get_tenant

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
    """Whether the text is the name as a page shows it: browsers draw runs of spaces as one."""
    return _as_drawn(text) == _as_drawn(name)


def _as_drawn(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


def status() -> int:
    """A form that is shown again after it was sent has something in it that is refused."""
    return 422 if request.method == "POST" else 200
