"""What a use case refuses, as a problem with its code."""

from http import HTTPStatus

from flask import Response

from webapp.api.blueprint import api
from webapp.api.outgoing import Problem
from webapp.problems import problem
from webapp.tenants.errors import DomainError, InvalidField, InvalidRow, KeyInUse

STATUS_OF = {"not_found": 404, "invalid": 422, "idempotency_mismatch": 422}
# All else stands against the state that things are in.
CONFLICT = 409


@api.errorhandler(DomainError)
def refuse(error: DomainError) -> Response:
    """The answer to a refused call."""
    told = told_of(error)
    soon = {"Retry-After": "1"} if isinstance(error, KeyInUse) else None
    return problem(told.status, told.code, told.detail, told.errors, soon)


def told_of(error: DomainError) -> Problem:
    """What a refused caller is told."""
    status = STATUS_OF.get(error.code, CONFLICT)
    detail, errors = str(error), None
    if isinstance(error, InvalidField):
        detail, errors = f"Not usable: {error.field}.", {error.field: [str(error)]}
    if isinstance(error, InvalidRow):
        errors = error.errors
    return Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=error.code,
        errors=errors,
    )
