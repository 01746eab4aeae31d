"""Filtering, searching and paging through tenants."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine, event, insert, text

from tests.access import database_of
from tests.integration.api.caller import Caller, assert_problem, unique
from webapp.db.types import utc_now
from webapp.extensions import db
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant

MANY = 10_000


def ids(items: list[dict[str, Any]]) -> list[int]:
    return [item["id"] for item in items]


@pytest.fixture(scope="module")
def many(app: APIFlask) -> list[int]:
    with database_of(app).transaction() as session:
        rows = [{"name": f"Many {n}", "slug": f"many-{n}"} for n in range(MANY)]
        numbers = list(session.scalars(insert(Tenant).returning(Tenant.id), rows))
        since = dict.fromkeys(("state_since", "requested_at"), utc_now())
        partition = since | {"collection": "c", "state": PartitionState.READY, "max_attempts": 3}
        session.execute(
            insert(Partition),
            [{**partition, "tenant_id": n, "name": f"tenant_{n}"} for n in numbers],
        )
        session.execute(text("ANALYZE"))
    return sorted(numbers)


@contextmanager
def statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _k: Any, statement: str, parameters: Any, _x: Any, _m: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def plan_of(app: APIFlask, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN QUERY PLAN " if db.engine.dialect.name == "sqlite" else "EXPLAIN "
    with db.engine.connect() as connection:
        rows = connection.exec_driver_sql(explain + statement, parameters)
        return "\n".join(str(row) for row in rows)


def test_default_page_holds_50_when_no_limit_is_given(api: Caller, many: list[int]) -> None:
    page = api.get("/tenants").json
    assert len(page["items"]) == 50
    assert page["next_cursor"] is not None


def test_each_tenant_is_listed_once_when_rows_are_added_and_deleted(api: Caller) -> None:
    mark = unique("paged")
    expected = [api.tenant(mark)["id"] for _ in range(9)]
    added: list[int] = []
    seen: list[int] = []
    for page in api.pages("/tenants", q=mark, limit=2):
        seen += ids(page)
        if len(added) < 3:
            added.append(api.tenant(mark)["id"])
            api.delete(f"/tenants/{seen[-1]}")
    assert seen == expected + added


def test_list_ends_without_a_cursor_when_the_last_page_is_full(api: Caller) -> None:
    mark = unique("full")
    for _ in range(4):
        api.tenant(mark)
    assert [len(page) for page in api.pages("/tenants", q=mark, limit=2)] == [2, 2]


def test_deleted_tenants_are_listed_only_when_asked_for(api: Caller) -> None:
    mark = unique("gone")
    kept, gone = api.tenant(mark)["id"], api.tenant(mark)["id"]
    api.delete(f"/tenants/{gone}")

    def listed(status: str) -> list[int]:
        return ids(api.get("/tenants", q=mark, status=status).json["items"])

    assert listed("") == listed("active") == listed("pending") == [kept]
    assert listed("deleted") == listed("removing") == [gone]
    assert listed("removed") == listed("ready") == listed("failed") == []


@pytest.mark.parametrize(
    "text",
    [
        *("\x00", "a\x07b", "\u202e", "\u200b" * 255, "\ufffe"),
        *("%", "_", "' OR 1=1 --", "\\", '"; DROP TABLE tenant; --'),
    ],
)
def test_search_finds_nothing_when_no_name_has_the_text_or_can(api: Caller, text: str) -> None:
    api.tenant("Plain")
    answer = api.get("/tenants", q=text)
    assert (answer.status_code, answer.json["items"]) == (200, [])


@pytest.mark.parametrize("path", ["/tenants", "/audit"])
def test_list_is_refused_when_a_parameter_is_given_twice(api: Caller, path: str) -> None:
    answer = api.call("GET", path, query_string="limit=5&limit=7&q=a&q=a")
    errors = assert_problem(answer, 422, "invalid")["errors"]
    assert errors == {"limit": ["must be given once"], "q": ["must be given once"]}


def test_search_finds_the_tenant_when_given_its_number_or_partition(api: Caller) -> None:
    number = api.tenant(unique("numbered"))["id"]
    for text_ in (str(number), f"tenant_{number}"):
        assert number in ids(api.get("/tenants", q=text_, limit=200).json["items"])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "nope"}, "status"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"limit": "9" * 30}, "limit"),
        ({"cursor": "nope"}, "cursor"),
        ({"cursor": "-1"}, "cursor"),
        ({"cursor": "9" * 99}, "cursor"),
        ({"limit": "\u0665"}, "limit"),
        ({"limit": "+5"}, "limit"),
        ({"q": "x" * 256}, "q"),
        ({"sort": "name"}, "sort"),
    ],
)
def test_list_is_refused_naming_the_parameter_when_it_is_unusable(
    api: Caller, query: dict[str, str], field: str
) -> None:
    problem = assert_problem(api.get("/tenants", **query), 422, "invalid")
    assert list(problem["errors"]) == [field]


def test_page_is_found_by_an_index_when_there_are_10000_tenants(
    api: Caller, app: APIFlask, many: list[int]
) -> None:
    with app.app_context(), statements(db.engine) as seen:
        page = api.get("/tenants", limit=10, cursor=str(many[MANY // 2])).json
        listed = [each for each in seen if "FROM tenant" in each[0]]
        plan = plan_of(app, *listed[-1])
    assert ids(page["items"]) == many[MANY // 2 + 1 :][:10]
    assert len(listed) == 1
    assert "SEARCH tenant USING INTEGER PRIMARY KEY" in plan or "Index Scan" in plan
    assert "SCAN tenant" not in plan.replace("SEARCH", "") and "Seq Scan on tenant" not in plan


def test_search_goes_by_pages_when_there_are_10000_tenants(api: Caller, many: list[int]) -> None:
    page = api.get("/tenants", q="many-99", limit=200).json
    assert len(page["items"]) == 111
    assert page["next_cursor"] is None
