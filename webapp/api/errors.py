"""Refusals of use cases as problems with their codes."""

from collections.abc import Mapping

from flask import Response
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from webapp.api.routing import api
from webapp.api.schemas_out import Problem
from webapp.errors import DatabaseRestored, DomainError, InvalidField, InvalidRow, KeyInUse
from webapp.http.problems import problem, problem_body
from webapp.texts import SENTENCES, TextFault, clause

STATUS_OF = {
    "not_found": 404,
    "invalid": 422,
    "idempotency_mismatch": 422,
    "database_restored": 503,
}
RETRY_AFTER_S = {KeyInUse.code: "1", DatabaseRestored.code: "5"}
# Other refusals conflict with the present state.
CONFLICT = 409


@api.errorhandler(DomainError)
def refuse(error: DomainError) -> Response:
    """The answer to a refused call."""
    refusal = problem_of(error)
    seconds = RETRY_AFTER_S.get(error.code)
    headers = {"Retry-After": seconds} if seconds else None
    return problem(refusal.status, refusal.code, refusal.detail, refusal.errors, headers)


def problem_of(error: DomainError) -> Problem:
    status = STATUS_OF.get(error.code, CONFLICT)
    detail, errors = str(error), None
    if isinstance(error, InvalidField):
        detail, errors = f"Not usable: {error.field}.", {error.field: [str(error)]}
    if isinstance(error, InvalidRow):
        errors = error.errors
    return Problem(**problem_body(status, error.code, detail, errors))


# By the type of pydantic's error; placeholders are in its context. `value_error` is a check of
# ours.
WORDS: Mapping[str, str] = {
    "value_error": "{error}",
    "missing": "is required",
    "extra_forbidden": "is not known",
    "string_type": "must be text",
    "string_unicode": clause(SENTENCES[TextFault.UNPRINTABLE]),
    "string_too_long": "must have at most {max_length} characters",
    "model_type": "must be a JSON object",
    "list_type": "must be a list",
    "too_short": "must have at least {min_length} item",
    "too_long": "must have at most {max_length} items",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
# For types that our fields do not cause.
OTHERWISE = "is unusable"


def faults_in(error: ValidationError, whole: str = "body") -> dict[str, list[str]]:
    """The faults by field, as `name` or `tenants[3].name`; `whole` names faults of no field."""
    faults: dict[str, list[str]] = {}
    for each in error.errors(include_url=False):
        sentences = faults.setdefault(_field(each) or whole, [])
        sentence = _sentence(each)
        if sentence not in sentences:
            sentences.append(sentence)
    return faults


def _field(details: ErrorDetails) -> str:
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in details["loc"])
    return name.removeprefix(".")


def _sentence(details: ErrorDetails) -> str:
    return WORDS.get(details["type"], OTHERWISE).format(**details.get("ctx", {}))
