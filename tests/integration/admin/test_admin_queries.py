"""Pages ask the database a bounded number of questions, whatever the number of tenants."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from apiflask import APIFlask
from sqlalchemy import event

from tests.access import Visitor, database_of
from tests.integration.admin.tenants import add_failed, add_tenant, send
from webapp.extensions import db

MOST_QUERIES = 12
PAGES = [
    *("/admin/", "/admin/live/", "/admin/tenant/", "/admin/tenant/?state=failed"),
    *("/admin/tenant/details/?id=1", "/admin/tenant/live/?id=1", "/admin/tenant/new/"),
    *("/admin/partitions/", "/admin/partitions/?search=a", "/admin/partitions/?tab=causes"),
    *("/admin/partitions/?tab=queues", "/admin/partitions/live/", "/admin/partitions/review/"),
    *("/admin/partitions/?tab=drift", "/admin/partitions/live/?tab=drift"),
    *("/admin/partitions/?tab=all", "/admin/partitions/live/?tab=causes", "/admin/operations/"),
    *("/admin/operations/show/?id=1", "/admin/operations/live/?id=1"),
    *("/admin/operations/list/live/", "/admin/partitions/?operation=1&state=pending"),
    "/admin/operations/review/?kind=delete&scope=matching",
]


@contextmanager
def counted(app: APIFlask) -> Iterator[list[str]]:
    """The statements that the application sends while the block runs."""
    statements: list[str] = []

    def note(_c: object, _k: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_pages_ask_few_questions_when_there_are_many_tenants(
    app: APIFlask, operator: Visitor
) -> None:
    for number in range(30):
        (add_failed if number % 3 else add_tenant)(app, f"Name {number}")
    send(operator, "/admin/partitions/retry/", scope="selected", id="2")
    for address in PAGES:
        with counted(app) as statements:
            assert operator.get(address).status_code == 200
        asked = [statement for statement in statements if statement.startswith("SELECT")]
        assert 0 < len(asked) <= MOST_QUERIES, (address, asked)


@pytest.mark.parametrize("address", ["/admin/tenant/", "/admin/tenant/?state=failed"])
def test_the_list_is_not_sorted_row_by_row_when_an_index_has_its_order(
    app: APIFlask, operator: Visitor, address: str
) -> None:
    add_failed(app)
    with counted(app) as statements:
        operator.get(address)
    listing = next(text for text in statements if "LIMIT" in text and "tenant.slug" in text)
    with database_of(app).reading() as session:
        values = ["failed", 50, 0] if "state=" in address else [50, 0]
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {listing}", tuple(values))
        steps = [row[-1] for row in plan]
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps, steps
