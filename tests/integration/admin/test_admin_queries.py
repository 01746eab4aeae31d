"""Pages ask the database a bounded number of questions, whatever the number of tenants."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine, event

from tests.access import Visitor, add_user, close, database_of, migrated_app, settings_in
from tests.crowd import Crowd, seed
from tests.integration.access.conftest import new_address
from tests.integration.admin.tenants import add_failed, send
from tests.panels import FEW, Panel, pages
from webapp.auth.roles import Role
from webapp.extensions import db

MOST_QUERIES = 12
WITH_ARGUMENTS = [
    "/admin/audit/?search=x&actor=cli&since=2026-01-01T00:00",
    *("/admin/operations/show/?id=1", "/admin/operations/live/?id=1"),
    *("/admin/partitions/?operation=1&state=pending", "/admin/partitions/?tab=all"),
    "/admin/operations/review/?kind=delete&scope=matching",
]


def database_engine(app: APIFlask) -> Engine:
    with app.app_context():
        return db.engine


@contextmanager
def counted(app: APIFlask) -> Iterator[list[str]]:
    """The statements that the application sends while the block runs."""
    statements: list[str] = []

    def note(_c: object, _k: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    engine = database_engine(app)
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.fixture(params=["sqlite", "postgresql"])
def panel(request: pytest.FixtureRequest, tmp_path: Path, own_redis: str) -> Iterator[Panel]:
    """The panel of a hundred tenants, whose lists are as long as those of very many."""
    values = {"redis_url": own_redis, "secret_key": "sixteen or more of it"}
    if request.param == "postgresql":
        values["database_url"] = request.getfixturevalue("fresh_database")()
    app = migrated_app(settings_in(tmp_path, **values))
    with app.app_context():
        engine = db.engine
    seed(engine, Crowd(*FEW))
    visitor = Visitor(app, new_address())
    visitor.login(add_user(app, Role.ADMIN))
    yield Panel(app, visitor, engine)
    close(app)


def test_every_page_asks_few_questions_when_its_lists_are_full(panel: Panel) -> None:
    send(panel.visitor, "/admin/partitions/retry/", scope="selected", id="2")
    for address in [*pages(panel), *WITH_ARGUMENTS]:
        asked = panel.statements(address)
        assert 0 < len(asked) <= MOST_QUERIES, (address, asked)


def test_nothing_is_sent_again_when_a_live_part_is_as_it_was(
    app: APIFlask, operator: Visitor
) -> None:
    add_failed(app)
    panel = Panel(app, operator, database_engine(app))
    address = "/admin/partitions/live/?tab=causes"
    first = panel.open(address)
    again = panel.open(address, first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["As-Of"] > first.headers["As-Of"]
    with panel.engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql("UPDATE partition SET cause = 'capacity' WHERE state = 'failed'")
    changed = panel.open(address, first.headers["ETag"])
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


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
