"""The checks before every view: the role, then the bounds of the body."""

from typing import Any

from flask import abort, current_app, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from webapp.api import bodies
from webapp.api.routing import api
from webapp.auth.guard import require
from webapp.auth.principal import current_principal
from webapp.auth.roles import Principal, Role
from webapp.errors import InvalidRow

READING = frozenset({"GET", "HEAD", "OPTIONS"})
# Entries of the audit say from which address people came.
OPERATORS_READ = frozenset({"api.audit"})
MAX_BODY_BYTES = 1024 * 1024


@api.before_request
def require_role() -> None:
    """Reading takes any role, all else an operator's; new endpoints are covered."""
    is_open = request.method in READING and request.endpoint not in OPERATORS_READ
    require(Role.VIEWER if is_open else Role.OPERATOR)


@api.before_request
def bound_body() -> None:
    """Refuse a body that is too large, by its header or once it was read.

    Raises:
        RequestEntityTooLarge: it has more than `MAX_BODY_BYTES`.
    """
    # Werkzeug silently truncates a chunked body at its limit, so that is one byte higher.
    request.max_content_length = MAX_BODY_BYTES + 1
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    if takes_body() and len(request.get_data()) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge


@api.before_request
def read_json() -> None:
    """Parse the body of a call that takes one, for the view's schema.

    Raises:
        UnsupportedMediaType: it is not declared as JSON.
        BadRequest: it is no JSON by the rules of `bodies`.
        InvalidRow: it is no object.
    """
    if not takes_body():
        return
    if not request.is_json:
        raise UnsupportedMediaType("Send JSON, with 'Content-Type: application/json'.")
    request.json_module = bodies
    try:
        body = request.get_json()
    except BadRequest:
        raise BadRequest(bodies.UNUSABLE) from None
    if not isinstance(body, dict):
        raise InvalidRow({"body": ["must be a JSON object"]})


@api.before_request
def read_query() -> None:
    """Refuse a parameter that is given twice: some readers take the first value, others the last.

    Raises:
        InvalidRow: it names these parameters.
    """
    if not takes_query():
        return
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise InvalidRow({name: ["must be given once"] for name in twice})


def caller() -> Principal:
    """The principal of this call; `require_role` lets no call pass without one."""
    principal = current_principal()
    if principal is None:
        abort(401)
    return principal


def takes_body() -> bool:
    """Whether this call's view reads a body."""
    return request.method not in READING and "body" in _spec()


def takes_query() -> bool:
    """Whether this call's view reads parameters."""
    return any(location == "query" for _schema, location in _spec().get("args", ()))


def _spec() -> dict[str, Any]:
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, "_spec", {})
