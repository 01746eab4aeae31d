"""Errors below the API as RFC 9457 problems: `application/problem+json`."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"

# Where the code is not the status's name, or that differs between Python versions.
CODES = {413: "content_too_large", 422: "invalid", 500: "internal_error", 503: "unavailable"}

# Werkzeug's own sentences speak of browsers.
DETAILS = {
    400: "The request is malformed.",
    403: "The role does not allow this.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    413: "The body is too large.",
    500: "This is an error of ours. It is logged.",
}


def problem_body(
    status: int, code: str, detail: str, errors: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The fields of RFC 9457; `code` is stable, `errors` gives the faults of each field."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return body | {"errors": dict(errors)} if errors else body


def problem(
    status: int,
    code: str,
    detail: str,
    errors: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem+json answer; see `problem_body`."""
    body = json.dumps(problem_body(status, code, detail, errors))
    return Response(body, status, headers, content_type=MEDIA_TYPE)


def code_of(status: int) -> str:
    """The code of an error that has only a status."""
    return CODES.get(status) or HTTPStatus(status).name.lower()


def answer_http_error(error: HTTPException) -> Response:
    """An exception of Flask, Werkzeug or `abort`, as a problem."""
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return problem(status, code_of(status), _detail(error, status), headers=headers)


def _detail(error: HTTPException, status: int) -> str:
    detail = error.description or HTTPStatus(status).phrase
    return DETAILS.get(status, detail) if error.description == type(error).description else detail
