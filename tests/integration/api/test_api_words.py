"""What the API says of unusable fields: our fields' names, our sentences, nothing of Python's."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.api.caller import ON_SQLITE, Caller, assert_problem

pytestmark = ON_SQLITE

WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**30, "", " ", "\0", "\ud800", "\u202e", "x" * 1000, "A b"),
    *([], [None], [[]], ["x"], {}, {"name": {}}, {"": ""}),
)
FIELD = re.compile(r"[a-z_]*(\[[0-9]+\])?(\.[a-z_]+)*")
OURS = (
    r"must be [a-z, -]+( [0-9]+ characters| [0-9]+)?",
    r"must be a JSON object",
    r"must be a time after RFC 3339, such as 2026-03-01T09:30:00Z",
    r"must not be empty",
    r"must not contain control characters or lone surrogates",
    r"must not contain the invisible character U\+[0-9A-F]+",
    r"must be the next_cursor of an earlier answer",
    r"must have at (most|least) [0-9]+ (characters|items?)",
    r"is (required|not known)",
    r"cannot be taken away; leave it out to keep it",
    r"give a name, a slug or both",
)
BODIES = {
    "/tenants": ("POST", ("name", "slug")),
    "/tenants/1": ("PATCH", ("name", "slug")),
    "/tenants/bulk": ("POST", ("tenants",)),
    "/partitions/pause": ("POST", ("reason",)),
}
QUERIES = {
    "/tenants": ("limit", "cursor", "status", "q"),
    "/tenants/1/events": ("limit", "cursor"),
    "/audit": (
        *("limit", "cursor", "actor", "action", "tenant_id", "via", "q", "request_id"),
        *("since", "until"),
    ),
}


def errors_of(answer: Any) -> Iterator[dict[str, list[str]]]:
    """All that an answer says of fields, rows of many among it."""
    if answer.status_code == 422:
        yield assert_problem(answer, 422, "invalid")["errors"]
    for result in (answer.json or {}).get("results", ()):
        yield result.get("error", {}).get("errors", {})


def assert_ours(answer: Any) -> None:
    """That every field and every sentence is ours, and each field has one."""
    assert answer.status_code < 500, answer.text
    for errors in errors_of(answer):
        for field, sentences in errors.items():
            assert FIELD.fullmatch(field), errors
            assert len(sentences) == 1, errors
            assert any(re.fullmatch(ours, sentences[0]) for ours in OURS), errors


@pytest.mark.parametrize("path", BODIES)
def test_our_words_are_said_when_a_field_of_a_body_is_wrong(api: Caller, path: str) -> None:
    method, fields = BODIES[path]
    api.tenant()
    for body in WRONG:
        assert_ours(api.call(method, path, json=body))
    for field in (*fields, "unknown"):
        for value in WRONG:
            assert_ours(api.call(method, path, json={field: value}))
            assert_ours(api.call(method, path, json={"name": "A", field: value}))
    api.post("/partitions/resume")


def test_our_words_are_said_when_a_row_is_wrong(api: Caller) -> None:
    for value in WRONG:
        rows = [value, {"name": value}, {"name": "A", "slug": value}, {"name": "A", "x": value}]
        assert_ours(api.post("/tenants/bulk", {"tenants": rows}))


@pytest.mark.parametrize("path", QUERIES)
def test_our_words_are_said_when_a_parameter_is_wrong(api: Caller, path: str) -> None:
    api.tenant()
    for field in (*QUERIES[path], "unknown"):
        for value in ("", "0", "-1", "1.5", "x", "9" * 30, "\0", "\u202e", "\u0665", "x" * 1000):
            assert_ours(api.get(path, **{field: value}))


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"name": ""}, {"name": ["must not be empty"]}),
        ({"name": None}, {"name": ["cannot be taken away; leave it out to keep it"]}),
        ({"name": 7, "x": 1}, {"name": ["must be text"], "x": ["is not known"]}),
        ({"name": "A\u200b"}, {"name": ["must not contain the invisible character U+200B"]}),
        ({}, {"body": ["give a name, a slug or both"]}),
    ],
)
def test_each_field_has_one_plain_sentence(
    api: Caller, body: dict[str, Any], errors: dict[str, list[str]]
) -> None:
    answer = api.patch(f"/tenants/{api.tenant()['id']}", body)
    assert assert_problem(answer, 422, "invalid")["errors"] == errors
