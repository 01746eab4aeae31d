"""Errors below the API, as RFC 9457 wants them: `application/problem+json`."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from apiflask import HTTPError
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException

from webapp.logs import get_logger

API_PREFIX = "/api/"
MEDIA_TYPE = "application/problem+json"

# Where the name of the status is not the code, or differs between versions of Python.
CODES = {
    413: "content_too_large",
    422: "invalid",
    500: "internal_error",
    503: "unavailable",
}

# Instead of Werkzeug's sentences, which speak of browsers.
DETAILS = {
    400: "The request is malformed.",
    403: "The role does not allow this.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    413: "The body is too large.",
    500: "This is an error of ours. It is logged.",
}

log = get_logger(__name__)


def init_app(app: Flask) -> None:
    """Answer every error below the API as a problem. Replaces APIFlask's own handlers."""
    app.register_error_handler(HTTPException, answer_http_error)
    app.register_error_handler(HTTPError, answer_unusable_input)
    for error in (OperationalError, InterfaceError, PoolTimeoutError):
        app.register_error_handler(error, answer_database_down)


def problem(
    status: int,
    code: str,
    detail: str,
    errors: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem+json answer; `code` is stable, `errors` says what is wrong per field."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        body["errors"] = dict(errors)
    return Response(json.dumps(body), status, headers, content_type=MEDIA_TYPE)


def code_of(status: int) -> str:
    """The code of a status that says all there is to say."""
    return CODES.get(status) or HTTPStatus(status).name.lower()


def invalid(errors: Mapping[str, list[str]]) -> Response:
    """The 422 for unusable fields."""
    fields = ", ".join(errors)
    return problem(422, code_of(422), f"Not usable: {fields}.", errors)


def answer_http_error(error: HTTPException) -> ResponseReturnValue:
    """What Flask, Werkzeug and our own `abort` raise; outside the API it stays as it is."""
    status = error.code
    if status is None or status < 400 or not _below_api():
        return error
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return problem(status, code_of(status), _detail(error, status), headers=headers)


def answer_unusable_input(error: HTTPError) -> ResponseReturnValue:
    """What APIFlask raises when a body, a query or a path does not fit its schema."""
    errors: dict[str, list[str]] = {}
    for fields in error.detail.values():
        for name, messages in fields.items():
            # Pydantic's name for what no single field is to blame for.
            key = "body" if name == "_schema" else name
            errors[key] = [message.removeprefix("Value error, ") for message in messages]
    return invalid(errors)


def answer_database_down(error: Exception) -> ResponseReturnValue:
    """The database does not answer, or not in time: nothing was acknowledged."""
    log.error("database.unavailable", exc_info=error)
    detail = "The database does not answer. Try again."
    if _below_api():
        return problem(503, code_of(503), detail, headers={"Retry-After": "2"})
    return Response(detail, 503, {"Retry-After": "2"}, content_type="text/plain; charset=utf-8")


def _detail(error: HTTPException, status: int) -> str:
    said = error.description or HTTPStatus(status).phrase
    return DETAILS.get(status, said) if error.description == type(error).description else said


def _below_api() -> bool:
    return request.path.startswith(API_PREFIX)
