"""Conditions in English, for the API, commands and logs."""

from datetime import date, datetime
from typing import Any

from webapp.conditions.condition import Condition, Text
from webapp.models.causes import Cause
from webapp.times import rfc3339


def sentence(text: Text) -> str:
    """The sentence; moments are in RFC 3339, numbers as they are."""
    template = text.template if text.num in {None, 1} or not text.plural else text.plural
    values = {name: _value(value) for name, value in text.values.items()}
    return template % {"num": text.num, **values}


def serialize(condition: Condition) -> dict[str, Any]:
    """The condition as the API and commands show it."""
    return {
        "key": condition.key,
        "severity": condition.severity.value,
        "subject": condition.subject or None,
        "since": rfc3339(condition.since),
        "count": condition.count,
        "sentence": sentence(condition.text),
        "what_to_do": sentence(condition.what_to_do),
        "passes_by_itself": condition.kind.passes_by_itself,
        "runbook": f"docs/operations.md#{condition.key}",
    }


def _value(value: Any) -> Any:
    if isinstance(value, Cause):
        return value.advice.label
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    return value
