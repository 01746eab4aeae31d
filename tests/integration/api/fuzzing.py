"""Generated calls of the API, held to its own description.

Schemathesis makes the calls from the served OpenAPI: examples, edges of each field, random and
unusable values, and chains in which one call uses what another made. After each of them all of
its checks run; an undescribed status, header or field is a fault of the product or of its
description.
"""

import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from apiflask import APIFlask
from schemathesis import Case, HookContext
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.access import add_token
from webapp.api.idempotency import HEADER, MAX_LENGTH, USABLE
from webapp.auth.roles import Role

DESCRIPTION = "/api/openapi.json"
FEW = 3
# What refuses a wrong request: an address that is too long too, and no error of ours.
REFUSALS = [400, 401, 403, 404, 405, 409, 413, 414, 415, 422]
CHECKS = {
    # A tenant that was deleted is still told of, for ever, and what became of its rows.
    "use_after_free": {"enabled": False},
    "negative_data_rejection": {"expected-statuses": REFUSALS},
}
# Rows of many are judged one by one: an unusable one is answered within a 200, and harms no other.
NOT_CHECKED_OF = [
    {
        "include-operation-id": "create_tenants",
        "checks": {"negative_data_rejection": {"enabled": False}},
    }
]


@dataclass
class Found:
    calls: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    # One failure of each kind, as it can be repeated.
    examples: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The figures, then each kind of failure with one example."""
        told = [f"{self.calls} calls, {self.failures.total()} failures"]
        told += [f"{count} × {self.examples[kind]}" for kind, count in self.failures.items()]
        return "\n\n".join(told)


def fuzz(app: APIFlask, address: str, role: Role | None, *, examples: int | None) -> Found:
    """Call every operation of the server in the role, None for nobody.

    Args:
        app: An application on the server's database, which gives the token.
        address: Where the server answers.
        examples: How many random calls of each operation there are beside all others. None for
            a few, which are the same each time.
    """
    found = Found()
    config = {
        "headers": _bearer(app, role) if role else {},
        "continue-on-failure": True,
        "generation": {"max-examples": examples or FEW, "deterministic": examples is None},
        "checks": CHECKS,
        "operations": NOT_CHECKED_OF,
        **({"seed": 1} if examples is None else {}),
    }
    schema = schemathesis.openapi.from_url(
        address + DESCRIPTION, config=SchemathesisConfig.from_dict(config), headers=_bearer(app)
    )
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            _note(found, f"error at {event.label}", f"{event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.ScenarioFinished):
            _count(found, event)
    return found


@schemathesis.hook("before_call")
def _with_fresh_key(_context: HookContext, case: Case, _kwargs: dict[str, Any]) -> None:
    """Keys are new for each call: one that came before with another body is rightly refused.

    No schema can say so. What repeats do is tested in tests/integration/api/test_api_repeats.py.
    """
    key = (case.headers or {}).get(HEADER)
    if isinstance(key, str) and USABLE.fullmatch(key):
        case.headers[HEADER] = f"{key[: MAX_LENGTH - 32]}{uuid.uuid4().hex}"


def _bearer(app: APIFlask, role: Role = Role.ADMIN) -> dict[str, str]:
    return {"Authorization": f"Bearer {add_token(app, role)}"}


def _count(found: Found, event: events.ScenarioFinished) -> None:
    recorder = event.recorder
    found.calls += len(recorder.interactions)
    for case, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                kind = f"{failure.operation}: {failure.title}"
                command = check.failure_info.code_sample
                _note(found, kind, f"{kind}\n{failure.message}\n{command}\n{_answer(event, case)}")


def _answer(event: events.ScenarioFinished, case: str) -> str:
    interaction = event.recorder.interactions.get(case)
    response = interaction.response if interaction else None
    return f"{response.status_code} {response.text[:500]}" if response else "no answer"


def _note(found: Found, kind: str, example: str) -> None:
    found.failures[kind] += 1
    found.examples.setdefault(kind, example)
