"""Migrations: from nothing to the models and back, on both databases."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apiflask import APIFlask
from flask_migrate import downgrade, upgrade
from sqlalchemy import TextClause, bindparam, inspect, select, text
from webapp.db.types import UtcDateTime
from webapp.models.partition import Departure, Partition
from webapp.models.tenant import Tenant
from webapp.models.tenant_search import matches

from tests.factories import settings_for
from webapp import create_app
from webapp.extensions import db

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
    """The application on an empty database."""
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
    """A tenant as the version before 0008 stores it."""
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
