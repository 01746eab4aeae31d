"""What every call passes before its view: the role it needs, then the bounds of its body."""

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
MAX_BODY_BYTES = 1024 * 1024


@api.before_request
def require_role() -> None:
    """Reading takes any role, everything else an operator's: a new endpoint begins closed."""
    require(Role.VIEWER if request.method in READING else Role.OPERATOR)


@api.before_request
def bound_body() -> None:
    """Refuse a body that is too large: by its header, else once so much was read.

    Raises:
        RequestEntityTooLarge: it has more than `MAX_BODY_BYTES`.
    """
    # Werkzeug cuts a chunked body off at its limit without a word; one byte more tells.
    request.max_content_length = MAX_BODY_BYTES + 1
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    if takes_body() and len(request.get_data()) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge


@api.before_request
def read_json() -> None:
    """Read the body of a call that takes one; the view's schema finds it parsed.

    Raises:
        UnsupportedMediaType: it is not declared as JSON.
        BadRequest: it is no JSON as `bodies` reads it.
        InvalidRow: it is no object, as every body of ours is.
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
    """Refuse a parameter that is given twice: one reader would take the first, another the last.

    Raises:
        InvalidRow: with the names of those that are.
    """
    if not takes_query():
        return
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise InvalidRow({name: ["must be given once"] for name in twice})


def caller() -> Principal:
    """Who makes this call; nobody else gets as far as a view."""
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
    """What APIFlask knows of this call's view."""
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, "_spec", {})
