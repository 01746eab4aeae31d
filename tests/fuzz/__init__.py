"""Generated calls of the API, held to its own description.

Schemathesis makes the calls from the served OpenAPI: examples, edges of each field, random and
unusable values, and chains in which one call uses what another made. After each of them all of
its checks run; an undescribed status, header or field is a fault of the product or of its
description.
"""

from collections import Counter
from dataclasses import dataclass, field

import schemathesis
from apiflask import APIFlask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.access import add_token
from webapp.auth.roles import Role

DESCRIPTION = "/api/openapi.json"


@dataclass
class Found:
    """What a run did and found."""

    calls: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    # One failure of each kind, as it can be repeated.
    examples: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The figures, then each kind of failure with one example."""
        told = [f"{self.calls} calls, {self.failures.total()} failures"]
        told += [f"{count} × {self.examples[kind]}" for kind, count in self.failures.items()]
        return "\n\n".join(told)


def fuzz(app: APIFlask, role: Role | None, examples: int, seed: int | None = None) -> Found:
    """Call every operation in the role, None for nobody; a seed makes the same calls again."""
    found = Found()
    schema = schemathesis.openapi.from_wsgi(
        DESCRIPTION, app, config=_config(app, role, examples, seed), headers=_bearer(app)
    )
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            _note(found, f"error at {event.label}", f"{event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.ScenarioFinished):
            _count(found, event)
    return found


def _config(
    app: APIFlask, role: Role | None, examples: int, seed: int | None
) -> SchemathesisConfig:
    config: dict[str, object] = {
        "headers": _bearer(app, role) if role else {},
        "continue-on-failure": True,
        "generation": {"max-examples": examples, "deterministic": seed is not None},
    }
    if seed is not None:
        config["seed"] = seed
    return SchemathesisConfig.from_dict(config)


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
