"""What the API answers to bodies and addresses that nobody means well with."""

from typing import Any

import pytest

from tests.integration.api.caller import ON_SQLITE, Caller, assert_problem

pytestmark = ON_SQLITE

DEEP = b"[" * 100_000 + b"]" * 100_000

NO_JSON = {
    "empty": b"",
    "cut": b'{"name": "A',
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "surrogate in UTF-8": b'{"name": "\xed\xa0\x80"}',
    "NUL": b'{"name": "A\x00"}',
    "only NUL": b"\x00\x00\x00\x00",
    "deep": DEEP,
    "deep in an object": b'{"a":' * 100_000,
    "number of 5,000 digits": b'{"name": ' + b"9" * 5_000 + b"}",
    "deeper than is walked through": b'{"name": ' + b"[" * 977 + b"]" * 977 + b"}",
    "a field twice": b'{"name": "A", "name": "B"}',
    "no number": b'{"name": NaN}',
    "no end of a number": b'{"name": Infinity}',
    "a number beyond all": b'{"name": 1e999}',
    "byte order mark": b'\xef\xbb\xbf{"name": "A"}',
}

UNUSABLE: dict[str, tuple[Any, str]] = {
    "lone surrogate": (b'{"name": "A\\ud800"}', "name"),
    "escaped NUL": (b'{"name": "A\\u0000"}', "name"),
    "control character": (b'{"name": "A\\u0007"}', "name"),
    "no name": (b"{}", "name"),
    "null": (b"null", "body"),
    "name with an invisible character": (b'{"name": "A\\u202e"}', "name"),
    "empty name": (b'{"name": ""}', "name"),
    "blank name": (b'{"name": " \\u200b "}', "name"),
    "long name": (b'{"name": "' + b"x" * 256 + b'"}', "name"),
    "number as name": (b'{"name": 1}', "name"),
    "boolean as name": (b'{"name": true}', "name"),
    "list as name": (b'{"name": ["A"]}', "name"),
    "slug in capitals": (b'{"name": "A", "slug": "Acme"}', "slug"),
    "slug with a line's end": (b'{"name": "A", "slug": "acme\\n"}', "slug"),
    "slug with two hyphens": (b'{"name": "A", "slug": "a--b"}', "slug"),
    "slug with Arabic digits": ('{"name": "A", "slug": "a٣"}'.encode(), "slug"),
    "empty slug": (b'{"name": "A", "slug": ""}', "slug"),
    "long slug": (b'{"name": "A", "slug": "' + b"a" * 64 + b'"}', "slug"),
    "list": (b"[]", "body"),
    "text": (b'"name"', "body"),
    "number": (b"1", "body"),
    "surrogate as key": (b'{"\\ud800": 1}', "body"),
    "id": (b'{"name": "A", "id": 1}', "id"),
    "status": (b'{"name": "A", "status": "active"}', "status"),
    "partition": (b'{"name": "A", "partition": {"name": "_default"}}', "partition"),
    "role": (b'{"name": "A", "role": "admin"}', "role"),
}


def send(api: Caller, body: bytes, content_type: str = "application/json") -> Any:
    return api.call("POST", "/tenants", data=body, content_type=content_type)


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON.keys())
def test_body_is_refused_when_it_is_no_json(api: Caller, body: bytes) -> None:
    assert_problem(send(api, body), 400, "bad_request")


@pytest.mark.parametrize(("body", "field"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_body_is_refused_naming_the_field_when_it_is_unusable(
    api: Caller, body: bytes, field: str
) -> None:
    problem = assert_problem(send(api, body), 422, "invalid")
    assert list(problem["errors"]) == [field]
    assert all(isinstance(message, str) for message in problem["errors"][field])


def test_all_fields_are_named_when_several_are_unusable(api: Caller) -> None:
    problem = assert_problem(api.post("/tenants", {"name": 1, "slug": "-", "x": 1}), 422, "invalid")
    assert set(problem["errors"]) == {"name", "slug", "x"}


def test_nothing_is_stored_when_a_body_is_refused(api: Caller) -> None:
    before = api.get("/partitions/summary").json["tenants"]
    api.post("/tenants", {"name": "A", "role": "admin"})
    assert api.get("/partitions/summary").json["tenants"] == before


def test_body_is_refused_when_it_is_larger_than_a_mebibyte(api: Caller) -> None:
    body = b'{"name": "' + b"x" * 1024 * 1024 + b'"}'
    assert_problem(send(api, body), 413, "content_too_large")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_body_is_refused_when_it_is_not_declared_as_json(api: Caller, content_type: str) -> None:
    assert_problem(send(api, b'{"name": "A"}', content_type), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "number",
    [
        *("0", "-1", "1.5", "x", "01", "%D9%A1", "9223372036854775808", "9" * 400, "2%00"),
        *(10**15, 999_999),
    ],
)
def test_tenant_is_not_found_when_nobody_has_the_number(api: Caller, number: Any) -> None:
    path = f"/tenants/{number}"
    for answer in (
        api.get(path),
        api.patch(path, {"name": "A"}),
        api.delete(path),
        api.post(f"{path}/retry"),
        api.get(f"{path}/events"),
    ):
        assert_problem(answer, 404, "not_found")


def test_address_is_not_found_when_there_is_nothing(api: Caller) -> None:
    assert_problem(api.get("/nothing"), 404, "not_found")


def test_method_is_refused_naming_the_allowed_when_it_is_not_taken(api: Caller) -> None:
    answer = api.call("PUT", "/tenants", json={})
    assert_problem(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_options_are_told_when_asked_for(api: Caller) -> None:
    answer = api.call("OPTIONS", "/tenants")
    assert answer.status_code == 200
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_head_answers_like_get_without_a_body_when_asked_for(api: Caller) -> None:
    path = f"/tenants/{api.tenant()['id']}"
    answer = api.call("HEAD", path)
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.content_length == api.get(path).content_length


@pytest.mark.parametrize("number", [10**15 + 1, 10**16, 2**63, 10**400, "01", "-1", "x"])
def test_no_address_of_a_tenant_is_there_when_the_number_cannot_be_one(
    api: Caller, number: Any
) -> None:
    rules = [str(rule) for rule in api.app.url_map.iter_rules() if "tenant_id" in rule.arguments]
    assert len(rules) > 8
    for rule in rules:
        path = rule.replace("<tenant_id:tenant_id>", str(number)).removeprefix("/api")
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = api.call(method, path)
            assert (method, path, answer.status_code) == (method, path, 404)
