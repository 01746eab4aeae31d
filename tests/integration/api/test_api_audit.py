"""`GET /api/audit`: who did what, for programs of any role."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apiflask import APIFlask

from tests.integration.api.caller import Caller, assert_problem, unique


@pytest.fixture
def robot(app: APIFlask) -> Caller:
    return Caller(app, token_name=unique("robot"))


def entries(caller: Caller, **query: Any) -> list[dict[str, Any]]:
    answer = caller.get("/audit", **query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def test_who_what_and_from_where_is_told_when_a_tenant_was_made(app: APIFlask, api: Caller) -> None:
    name = unique("robot")
    headers = {"X-Request-ID": unique("r")}
    made = Caller(app, token_name=name).call(
        "POST", "/tenants", json={"name": "Acme", "slug": unique("a")}, headers=headers
    )
    tenant = made.json
    (entry,) = entries(api, tenant_id=tenant["id"])
    assert entry.pop("id")
    assert datetime.fromisoformat(entry.pop("at")) > datetime.now(UTC) - timedelta(minutes=1)
    assert entry == {
        "actor": f"token:{name}",
        "via": "api",
        "address": "127.0.0.1",
        "action": "tenant.create",
        "tenant_id": tenant["id"],
        "target": None,
        "before": {},
        "after": {"name": "Acme", "slug": tenant["slug"]},
        "request_id": headers["X-Request-ID"],
    }
    assert [each["actor"] for each in entries(api, actor=name)] == [f"token:{name}"]


def test_names_before_and_after_are_told_when_a_tenant_was_renamed(api: Caller) -> None:
    tenant = api.tenant("Acme")
    api.patch(f"/tenants/{tenant['id']}", {"name": "Bolt"})
    entry, _created = entries(api, tenant_id=tenant["id"])
    assert (entry["before"]["name"], entry["after"]["name"]) == ("Acme", "Bolt")


def test_a_repeat_leaves_no_second_entry_when_its_key_was_used(api: Caller) -> None:
    body, key = {"name": "Idempotency", "slug": unique("idempotency")}, unique("key")
    tenant = api.post("/tenants", body, key).json
    assert api.post("/tenants", body, key).json == tenant
    assert len(entries(api, tenant_id=tenant["id"])) == 1


def test_one_entry_counts_all_when_many_are_made(api: Caller) -> None:
    slug = unique("many")
    rows = [{"name": "One", "slug": slug}, {"name": "Two"}, {"name": "Again", "slug": slug}]
    results = api.post("/tenants/bulk", {"tenants": rows}).json["results"]
    first, last = (results[n]["tenant"]["id"] for n in (0, 1))
    entry = entries(api, action="tenants.create_many")[0]
    assert entry["after"] == {"tenants": 2, "first": first, "last": last, "refused": 1}


def test_every_entry_is_seen_once_when_pages_are_followed(api: Caller) -> None:
    tenant = api.tenant()
    for name in "abc":
        api.patch(f"/tenants/{tenant['id']}", {"name": name})
    pages = list(api.pages("/audit", tenant_id=tenant["id"], limit=2))
    assert [[entry["action"] for entry in page] for page in pages] == [
        ["tenant.rename"] * 2,
        ["tenant.rename", "tenant.create"],
    ]


def test_entries_of_a_time_alone_are_told_when_it_is_given(api: Caller) -> None:
    tenant = api.tenant()
    (entry,) = entries(api, tenant_id=tenant["id"])
    wanted = {"tenant_id": tenant["id"]}
    assert entries(api, **wanted, since=entry["at"]) == [entry]
    assert entries(api, **wanted, until=entry["at"]) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("since", "yesterday"), ("via", "post"), ("tenant_id", "0"), ("tenant_id", "9" * 30)),
        *(("tenant_id", "x"), ("until", "2026-13-01")),
        *(("limit", "0"), ("cursor", "x"), ("who", "me"), ("since", "0000-01-01T00:00:00Z")),
    ],
)
def test_a_parameter_is_refused_when_it_makes_no_sense(api: Caller, field: str, value: str) -> None:
    body = assert_problem(api.get("/audit", **{field: value}), 422, "invalid")
    assert field in body["errors"]


@pytest.mark.parametrize("field", ["q", "actor", "action", "request_id"])
@pytest.mark.parametrize("text", ["a\x00b", "\x7f", "\u202e", "\ufffe", "x" * 255])
def test_nothing_is_found_when_no_entry_can_have_the_text(
    api: Caller, field: str, text: str
) -> None:
    answer = api.get("/audit", **{field: text})
    assert (answer.status_code, answer.json["items"]) == (200, [])


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:60-23:59"),
    ],
)
def test_all_are_told_when_the_times_leave_nothing_out(api: Caller, since: str, until: str) -> None:
    tenant = api.tenant()
    assert len(entries(api, tenant_id=tenant["id"], since=since, until=until)) == 1
    assert entries(api, tenant_id=tenant["id"], since=until) == []
    assert entries(api, tenant_id=tenant["id"], until=since) == []
