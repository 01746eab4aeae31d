"""Migrations: from nothing to the models and back, on both databases."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apiflask import APIFlask
from flask_migrate import downgrade, upgrade
from sqlalchemy import Connection, TextClause, bindparam, inspect, select, text

from tests.factories import settings_for
from webapp import create_app
from webapp.db.types import UtcDateTime
from webapp.extensions import db
from webapp.models.partition import Departure, Partition
from webapp.models.tenant import Tenant
from webapp.models.tenant_search import matches

DELETED_TENANT = """
INSERT INTO tenant (id, name, slug, created_at, updated_at, deleted_at)
VALUES (1, 'Acme', 'acme', :now, :now, :now)
"""
PARTITION_TO_REMOVE = """
INSERT INTO partition (tenant_id, collection, name, state, state_since, requested_at,
    generation, attempts, max_attempts, fence, dispatch, reopens)
VALUES (1, 'c', 'tenant_1', 'removing', :now, :now, 2, 0, 3, 0, 0, 0)
"""

OLD_TENANT = """
INSERT INTO tenant (id, name, slug, created_at, updated_at)
VALUES (:number, 'Zürich Re', :slug, :now, :now)
"""
# How the version before 0008 searches, on each database.
SEARCH_BEFORE = {
    "sqlite": """SELECT rowid FROM tenant_search WHERE tenant_search MATCH '"rich re"'""",
    "postgresql": """
        SELECT id FROM tenant WHERE (text_runs('  ' || lower(name)) || text_runs('  ' || slug))
        @> text_runs('rich re')
    """,
}


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[APIFlask]:
    url = f"sqlite:///{tmp_path}/empty.db"
    if request.param == "postgresql":
        fresh: Callable[[], str] = request.getfixturevalue("fresh_database")
        url = fresh()
    app = create_app(settings_for(tmp_path, database_url=url))
    with app.app_context():
        yield app
        db.engine.dispose()


def test_models_and_migrations_are_in_step_when_an_empty_database_is_upgraded(
    app: APIFlask,
) -> None:
    upgrade()
    result = app.test_cli_runner().invoke(args=["db", "check"])
    assert result.exit_code == 0, result.output


def test_nothing_is_left_when_everything_is_downgraded(app: APIFlask) -> None:
    upgrade()
    downgrade(revision="base")
    assert inspect(db.engine).get_table_names() == ["alembic_version"]
    upgrade()


def test_proofs_and_observations_stay_when_where_they_are_of_is_added_and_taken_away(
    app: APIFlask,
) -> None:
    upgrade(revision="0005")
    now = datetime.now(UTC)
    departed = """
        INSERT INTO departure (tenant_id, requested_at, requested_by, rows, outcome)
        VALUES (1, :now, 'user:a@example.test', 7, 'dropped')
    """
    seen = "INSERT INTO observed_collection (collection, observed_at) VALUES ('c', :now)"
    with db.engine.begin() as connection:
        for statement in (DELETED_TENANT, departed, seen):
            connection.execute(text(statement).bindparams(bindparam("now", now, UtcDateTime)))
    upgrade(revision="0007")
    downgrade(revision="0005")
    upgrade(revision="0007")
    with db.engine.connect() as connection:
        proof = connection.execute(text("SELECT rows, real_collection FROM departure")).one()
        known = text("SELECT collection, real_name, moved_to FROM observed_collection")
        assert connection.execute(known).one() == ("c", None, None)
    assert proof == (7, None)


def test_tenants_that_were_removing_get_a_week_and_a_record_when_upgraded(app: APIFlask) -> None:
    upgrade(revision="0002")
    now = datetime.now(UTC)
    with db.engine.begin() as connection:
        for statement in (DELETED_TENANT, PARTITION_TO_REMOVE):
            connection.execute(text(statement).bindparams(bindparam("now", now, UtcDateTime)))
    upgrade()
    with db.engine.connect() as connection:
        record = connection.execute(select(Departure.requested_at, Departure.requested_by)).one()
        remove_at = connection.scalar(select(Partition.remove_at))
    assert (record.requested_at, record.requested_by) == (now, "unknown")
    assert remove_at is not None
    assert timedelta(days=6) < remove_at - now < timedelta(days=8)


def old_tenant(number: int) -> TextClause:
    now = bindparam("now", datetime.now(UTC), UtcDateTime)
    return text(OLD_TENANT).bindparams(now, number=number, slug=f"zurich-{number}")


def test_tenants_of_before_are_found_when_upgraded_and_when_downgraded(app: APIFlask) -> None:
    upgrade(revision="0005")
    with db.engine.begin() as connection:
        connection.execute(old_tenant(1))
    upgrade()
    before = SEARCH_BEFORE[db.engine.dialect.name]
    with db.engine.begin() as connection:
        for words in ("rich re", "re", "zürich"):
            assert connection.scalars(select(Tenant.id).where(matches(words))).all() == [1]
        # An instance of the version before, while machines are upgraded one by one.
        if db.engine.dialect.name == "postgresql":
            assert connection.scalars(text(before)).all() == [1]
        connection.execute(old_tenant(2))
    downgrade(revision="0005")
    with db.engine.begin() as connection:
        assert sorted(connection.scalars(text(before))) == [1, 2]
    upgrade()


def test_what_waits_and_who_leads_stay_when_columns_and_tables_are_renamed(app: APIFlask) -> None:
    upgrade(revision="0008")
    due = datetime(2026, 1, 2, tzinfo=UTC)
    lease = "INSERT INTO sweep_turn (name, holder, held_until) VALUES ('sweep', 'me', :due)"
    with db.engine.execution_options(writes=True).begin() as connection:
        connection.execute(text(OLD_TENANT), {"number": 1, "slug": "z", "now": due})
        connection.execute(text(PARTITION_TO_REMOVE), {"now": due})
        connection.execute(text("UPDATE partition SET ring_at = :due"), {"due": due})
        connection.execute(text(lease), {"due": due})
    upgrade(revision="0009")
    with db.engine.connect() as connection:
        assert moment(connection, "dispatch_after", "partition") == due
        assert moment(connection, "held_until", "leadership") == due
    downgrade(revision="0008")
    with db.engine.connect() as connection:
        assert moment(connection, "ring_at", "partition") == due
        assert moment(connection, "held_until", "sweep_turn") == due


IMPORTED_OPERATION = """
INSERT INTO operation (id, kind, state, asked_at, actor, via, selection, tenants, looked_at,
    next_tenant_id, accepted, skipped)
VALUES (1, 'request', 'settled', :now, 'cli', 'cli', '{"without_wish": true}', 1, 1, 0, 0,
    '{"no_wish": 1}')
"""


def test_every_tenant_has_a_row_when_upgraded_and_only_requested_ones_when_downgraded(
    app: APIFlask,
) -> None:
    upgrade(revision="0009")
    now = bindparam("now", datetime.now(UTC), UtcDateTime)
    with db.engine.execution_options(writes=True).begin() as connection:
        for number in (1, 2, 3):
            connection.execute(old_tenant(number))
        connection.execute(text(PARTITION_TO_REMOVE).bindparams(now))
        gone = text("UPDATE tenant SET deleted_at = :now WHERE id = 3").bindparams(now)
        connection.execute(gone)
        operation = text(IMPORTED_OPERATION.replace('": ', '"\\: ')).bindparams(now)
        connection.execute(operation)
    upgrade(revision="0010")
    with db.engine.connect() as connection:
        rows = connection.execute(text("SELECT tenant_id, state FROM partition ORDER BY tenant_id"))
        assert [tuple(row) for row in rows] == [(1, "removing"), (2, None), (3, "removed")]
        (kept,) = connection.execute(text("SELECT selection, skipped FROM operation"))
    assert tuple(kept) == ('{"not_requested": true}', '{"not_requested": 1}')
    downgrade(revision="0009")
    with db.engine.connect() as connection:
        assert connection.scalars(text("SELECT tenant_id FROM partition")).all() == [1]
        wished = "SELECT id FROM tenant WHERE wished"
        assert connection.scalars(text(wished)).all() == [1]
        (kept,) = connection.execute(text("SELECT selection, skipped FROM operation"))
    assert tuple(kept) == ('{"without_wish": true}', '{"no_wish": 1}')


def moment(connection: Connection, column: str, table: str) -> datetime | None:
    selected = text(f"SELECT {column} AS at FROM {table}").columns(at=UtcDateTime)
    found: datetime | None = connection.execute(selected).scalar_one()
    return found
