"""Many tenants in one call: a result for each row, and nothing in between with a key."""

from typing import Any

import pytest
from sqlalchemy import func, select

from tests.factories import all_at_once
from tests.integration.api.caller import Caller, assert_problem, unique
from webapp.models.tenant import Tenant


def bulk(api: Caller, rows: list[Any], key: str | None = None) -> list[dict[str, Any]]:
    answer = api.post("/tenants/bulk", {"tenants": rows}, key)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json["results"]
    assert [result["index"] for result in results] == list(range(len(rows)))
    return results


def statuses(results: list[dict[str, Any]]) -> list[int]:
    return [result["status"] for result in results]


def slugs(results: list[dict[str, Any]]) -> list[str]:
    return [result["tenant"]["slug"] for result in results if result["status"] == 201]


def test_each_row_is_answered_as_if_it_came_alone_when_some_are_refused(api: Caller) -> None:
    taken, fresh = unique("taken"), unique("fresh")
    api.tenant(slug=taken)
    rows: list[Any] = [
        {"name": "  First "},
        {"name": "Second", "slug": taken},
        {"name": "", "slug": "No Slug"},
        "no object",
        {"name": 5, "role": "admin"},
        None,
        {"name": "Last", "slug": fresh},
    ]
    results = bulk(api, rows)
    assert statuses(results) == [201, 409, 422, 422, 422, 422, 201]
    assert results[0]["tenant"]["name"] == "First"
    assert results[6]["tenant"]["slug"] == fresh
    alone = api.post("/tenants", rows[1]).json
    assert results[1]["error"] == alone
    assert results[2]["error"] == api.post("/tenants", rows[2]).json
    assert set(results[4]["error"]["errors"]) == {"name", "role"}
    assert [list(result) for result in results[:2]] == [
        ["index", "status", "tenant"],
        ["index", "status", "error"],
    ]
    assert {result["error"]["code"] for result in results[2:6]} == {"invalid"}


def test_tenant_is_as_from_a_single_call_when_made_among_many(api: Caller) -> None:
    results = bulk(api, [{"name": unique("many")} for _ in range(3)])
    for result in results:
        tenant = result["tenant"]
        assert api.get(f"/tenants/{tenant['id']}").json == tenant
        assert tenant["partition"]["name"] == f"tenant_{tenant['id']}"
        events = api.get(f"/tenants/{tenant['id']}/events").json["items"]
        assert [each["event"].rpartition(".")[2] for each in events] == ["dispatched", "requested"]
        assert events[1]["actor"].startswith("token:")
    later = api.tenant()
    assert later["id"] == results[-1]["tenant"]["id"] + 1


def test_first_row_has_the_slug_when_two_give_it(api: Caller) -> None:
    slug = unique("both")
    results = bulk(api, [{"name": "A", "slug": slug}, {"name": "B", "slug": slug}])
    assert statuses(results) == [201, 409]
    assert results[1]["error"]["code"] == "slug_taken"


def test_slugs_are_numbered_when_names_are_alike_or_taken(api: Caller) -> None:
    name, other = unique("alike"), unique("other")
    api.tenant(name)
    rows: list[dict[str, str]] = [{"name": name}, {"name": other}, {"name": name}]
    rows += [{"name": "Given", "slug": f"{name}-2"}, {"name": other}]
    results = bulk(api, rows)
    assert statuses(results) == [201] * 5
    assert slugs(results) == [f"{name}-3", other, f"{name}-4", f"{name}-2", f"{other}-2"]


def test_thousand_are_made_in_few_statements_when_all_are_alike(api: Caller) -> None:
    name = unique("crowd")
    bulk(api, [{"name": name}] * 30)
    with api.counted() as seen:
        results = bulk(api, [{"name": name}] * 1000)
    assert len(seen) < 60
    assert statuses(results) == [201] * 1000
    assert slugs(results) == [f"{name}-{number}" for number in range(31, 1031)]
    numbers = [result["tenant"]["id"] for result in results]
    assert numbers == sorted(numbers)


def test_chunks_are_dispatched_on_the_backfills_queue_when_there_are_many(api: Caller) -> None:
    queue = api.app.extensions["job_queue"].backfill_queue
    before = queue.count
    bulk(api, [{"name": "Many"} for _ in range(120)])
    assert queue.count == before + 2


def test_nothing_is_made_twice_when_the_call_is_repeated(api: Caller) -> None:
    key, name = unique("key"), unique("once")
    first = bulk(api, [{"name": name}, {"name": ""}], key)
    assert bulk(api, [{"name": name}, {"name": ""}], key) == first
    assert len(api.get("/tenants", q=name).json["items"]) == 1
    other = api.post("/tenants/bulk", {"tenants": [{"name": name}]}, key)
    assert_problem(other, 422, "idempotency_mismatch")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tenants": []},
        {"tenants": {}},
        {"tenants": "x"},
        {"tenants": None},
        {"tenants": [{"name": "A"}] * 1001},
        {"tenants": [{"name": "A"}], "role": "admin"},
    ],
)
def test_call_is_refused_as_a_whole_when_it_holds_no_rows(api: Caller, body: Any) -> None:
    (field,) = assert_problem(api.post("/tenants/bulk", body), 422, "invalid")["errors"]
    assert field in {"tenants", "role"}


@pytest.mark.parametrize("depth", [33, 500, 977, 990])
def test_call_is_refused_when_a_row_is_nested_deeper_than_is_walked(
    api: Caller, depth: int
) -> None:
    """As deep as the parser still reads, and no longer what walks through it afterwards."""
    for headers in ({}, {"Idempotency-Key": "deep"}):
        body = f'{{"tenants": [{"[" * depth}{"]" * depth}]}}'
        answer = api.call(
            "POST", "/tenants/bulk", data=body, headers=headers, content_type="application/json"
        )
        assert_problem(answer, 400, "bad_request")


def test_call_is_answered_when_every_row_is_refused(api: Caller) -> None:
    assert statuses(bulk(api, [{}, 1])) == [422, 422]


def test_each_slug_goes_to_one_when_calls_cross_each_other(api: Caller) -> None:
    """The same slugs in opposite orders, and sign-ups of the same names meanwhile."""
    names = [unique("cross") for _ in range(30)]
    callers = [Caller(api.app) for _ in range(6)]
    forth: list[Any] = [{"name": name, "slug": name} for name in names]
    back: list[Any] = [{"name": name} for name in names[::-1]]
    works = [
        lambda caller=callers[n], rows=(forth, back)[n % 2]: bulk(caller, rows) for n in range(4)
    ]
    singles = [
        lambda caller=caller: [caller.post("/tenants", {"name": name}) for name in names[::3]]
        for caller in callers[4:]
    ]
    *results, first, second = all_at_once([*works, *singles])
    assert {answer.status_code for answer in (*first, *second)} == {201}
    made = [slug for result in results for slug in slugs(result)]
    made += [answer.json["slug"] for answer in (*first, *second)]
    assert len(made) == len(set(made))
    assert set(names) <= set(made)
    kept = select(func.count()).where(Tenant.slug.in_(made), Tenant.deleted_at.is_(None))
    assert api.rows(kept) == [len(made)]
