"""Migrations: from nothing to the models and back, on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from flask_migrate import downgrade, upgrade
from sqlalchemy import bindparam, inspect, select, text
from sqlalchemy.exc import DatabaseError

from webapp.db.types import UtcDateTime
from webapp.extensions import db
from webapp.models.tenant import Tenant
from webapp.models.tenant_search import matches

NOW = datetime.now(UTC)
DELETED_TENANT = """
INSERT INTO tenant (id, name, slug, created_at, updated_at, deleted_at)
VALUES (1, 'Acme', 'acme', :now, :now, :now)
"""
PARTITION_TO_REMOVE = """
INSERT INTO partition (tenant_id, collection, name, state, state_since, requested_at,
    generation, attempts, max_attempts, fence, dispatch, reopens)
VALUES (1, 'c', 'tenant_1', 'removing', :now, :now, 2, 0, 3, 0, 0, 0)
"""
DEPARTED = """
INSERT INTO departure (tenant_id, requested_at, requested_by, rows, outcome)
VALUES (1, :now, 'user:a@example.test', 7, 'dropped')
"""
SEEN = "INSERT INTO observed_collection (collection, observed_at) VALUES ('c', :now)"
IMPORTED_OPERATION = """
INSERT INTO operation (id, kind, state, asked_at, actor, via, selection, tenants, looked_at,
    next_tenant_id, accepted, skipped)
VALUES (1, 'request', 'settled', :now, 'cli', 'cli', '{"without_wish": true}', 1, 1, 0, 0,
    '{"no_wish": 1}')
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


@pytest.fixture
def app(empty_app: APIFlask) -> APIFlask:
    return empty_app


def put(*statements: str, **values: Any) -> None:
    """Execute the statements; `:now` is a moment of the test."""
    with db.engine.execution_options(writes=True).begin() as connection:
        for statement in statements:
            named = {name: value for name, value in values.items() if f":{name}" in statement}
            # A colon in JSON names no value.
            bound = text(statement.replace('": ', '"\\: ')).bindparams(**named)
            connection.execute(bound.bindparams(bindparam("now", NOW, UtcDateTime)))


def found(question: str) -> list[tuple[Any, ...]]:
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(question))]


def moment(column: str, table: str) -> datetime | None:
    selected = text(f"SELECT {column} AS at FROM {table}").columns(at=UtcDateTime)
    with db.engine.connect() as connection:
        at: datetime | None = connection.execute(selected).scalar_one()
        return at


def test_migrations_are_in_step_with_the_models_and_leave_nothing(app: APIFlask) -> None:
    upgrade()
    result = app.test_cli_runner().invoke(args=["db", "check"])
    assert result.exit_code == 0, result.output
    downgrade(revision="base")
    assert inspect(db.engine).get_table_names() == ["alembic_version"]
    upgrade()


def test_proofs_and_observations_stay_when_columns_come_and_go(app: APIFlask) -> None:
    upgrade(revision="0005")
    put(DELETED_TENANT, DEPARTED, SEEN)
    upgrade(revision="0007")
    downgrade(revision="0005")
    upgrade(revision="0007")
    assert found("SELECT rows, real_collection FROM departure") == [(7, None)]
    known = "SELECT collection, real_name, moved_to FROM observed_collection"
    assert found(known) == [("c", None, None)]


def test_tenants_that_were_removing_get_a_week_and_a_record_when_upgraded(app: APIFlask) -> None:
    upgrade(revision="0002")
    put(DELETED_TENANT, PARTITION_TO_REMOVE)
    upgrade()
    assert found("SELECT requested_by FROM departure") == [("unknown",)]
    assert moment("requested_at", "departure") == NOW
    remove_at = moment("remove_at", "partition")
    assert remove_at is not None
    assert timedelta(days=6) < remove_at - NOW < timedelta(days=8)


def test_tenants_of_before_are_found_when_upgraded_and_when_downgraded(app: APIFlask) -> None:
    upgrade(revision="0005")
    put(OLD_TENANT, number=1, slug="zurich-1")
    upgrade()
    before = SEARCH_BEFORE[db.engine.dialect.name]
    with db.engine.connect() as connection:
        for words in ("rich re", "re", "zürich"):
            assert connection.scalars(select(Tenant.id).where(matches(words))).all() == [1]
    # An instance of the version before, while machines are upgraded one by one.
    if db.engine.dialect.name == "postgresql":
        assert found(before) == [(1,)]
    put(OLD_TENANT, number=2, slug="zurich-2")
    downgrade(revision="0005")
    assert sorted(found(before)) == [(1,), (2,)]
    upgrade()


def test_what_waits_and_who_leads_stay_when_columns_and_tables_are_renamed(app: APIFlask) -> None:
    upgrade(revision="0008")
    put(OLD_TENANT, PARTITION_TO_REMOVE, number=1, slug="z")
    put("UPDATE partition SET ring_at = :now")
    put("INSERT INTO sweep_turn (name, holder, held_until) VALUES ('sweep', 'me', :now)")
    upgrade(revision="0009")
    assert moment("dispatch_after", "partition") == NOW
    assert moment("held_until", "leadership") == NOW
    downgrade(revision="0008")
    assert moment("ring_at", "partition") == NOW
    assert moment("held_until", "sweep_turn") == NOW


def test_every_tenant_has_a_row_from_0010_on(app: APIFlask) -> None:
    upgrade(revision="0009")
    for number in (1, 2, 3):
        put(OLD_TENANT, number=number, slug=f"zurich-{number}")
    put(PARTITION_TO_REMOVE, "UPDATE tenant SET deleted_at = :now WHERE id = 3")
    put(IMPORTED_OPERATION)
    upgrade(revision="0010")
    rows = found("SELECT tenant_id, state FROM partition ORDER BY tenant_id")
    assert rows == [(1, "removing"), (2, None), (3, "removed")]
    operation = "SELECT selection, skipped FROM operation"
    assert found(operation) == [('{"not_requested": true}', '{"not_requested": 1}')]
    downgrade(revision="0009")
    assert found("SELECT tenant_id FROM partition") == [(1,)]
    assert found("SELECT id FROM tenant WHERE wished") == [(1,)]
    assert found(operation) == [('{"without_wish": true}', '{"no_wish": 1}')]


WAITED = """
INSERT INTO partition (tenant_id, collection, name, state, state_since, requested_at, ready_at,
    generation, attempts, max_attempts, fence, dispatch, reopens)
VALUES (:number, 'c', 'tenant_' || :number, :state, :now, :asked, :ready, 2, 0, 3, 0, 0, 0)
"""
TOLD = "INSERT INTO partition_event (tenant_id, at, event) VALUES (:number, :at, :event)"


def test_0013_finds_the_first_request_of_a_need_in_the_timeline(app: APIFlask) -> None:
    def told(number: int, state: str, asked: float, *entries: tuple[str, float]) -> None:
        put(OLD_TENANT, number=number, slug=f"z-{number}")
        timed(WAITED, number=number, state=state, asked=seconds(asked), ready=seconds(-5000))
        for event, at in entries:
            timed(TOLD, number=number, event=f"milvus.partition.{event}", at=seconds(at))

    upgrade(revision="0012")
    far = 9_000_000_000_000
    told(1, "pending", -600, ("requested", -599.9))
    told(2, "failed", -60, ("requested", -600), ("retried", -59.9), ("reopened", -5))
    told(3, "ready", -60, ("requested", -9000), ("created", -8000), ("drift", -59.9))
    told(4, "pending", -60, ("requested", -9000), ("retried", -8000), ("restored", -59.9))
    told(far, "provisioning", -60)
    upgrade(revision="0013")
    rows = moments_of("requested_at", "last_requested_at", "waiting_since", "ready_at")
    assert rows == {
        1: (-600, -600, -600, -5000),
        2: (-600, -5, -600, -5000),
        3: (-60, -60, None, 0),
        4: (-60, -60, -60, -5000),
        far: (-60, -60, -60, -5000),
    }
    # An instance of the version before goes on.
    put(OLD_TENANT, number=5, slug="z-5")
    timed(WAITED, number=5, state="pending", asked=NOW, ready=None)
    timed("UPDATE partition SET requested_at = :at, state = 'pending' WHERE tenant_id = 2", at=NOW)
    downgrade(revision="0012")
    assert moments_of("requested_at")[2] == (-5,)


def test_0016_leaves_nothing_that_the_version_before_cannot_read(app: APIFlask) -> None:
    upgrade()
    put(OLD_TENANT, number=1, slug="z-1")
    timed(WAITED, number=1, state="missing", asked=NOW, ready=NOW)
    timed(TOLD, number=1, event="milvus.partition.missing", at=NOW)
    for table in ("partition", "partition_event"):
        put(f"UPDATE {table} SET cause = 'partitions_gone' WHERE :now IS NOT NULL")
    downgrade(revision="0015")
    assert found("SELECT state, cause FROM partition") == [("ready", None)]
    assert found("SELECT event, cause FROM partition_event") == [("milvus.partition.missing", None)]


def seconds(after: float) -> datetime:
    return NOW + timedelta(seconds=after)


def timed(statement: str, **values: Any) -> None:
    """Execute with values of which those that are moments are stored as such."""
    types = {k: UtcDateTime for k, v in values.items() if isinstance(v, datetime) or v is None}
    bound = [bindparam(name, value, types.get(name)) for name, value in values.items()]
    if ":now" in statement:
        bound.append(bindparam("now", NOW, UtcDateTime))
    with db.engine.execution_options(writes=True).begin() as connection:
        connection.execute(text(statement).bindparams(*bound))


def moments_of(*columns: str) -> dict[int, tuple[float | None, ...]]:
    """The columns of each partition, in seconds from now."""
    kinds = dict.fromkeys(columns, UtcDateTime)
    selected = text(f"SELECT tenant_id, {', '.join(columns)} FROM partition").columns(**kinds)
    with db.engine.connect() as connection:
        return {
            number: tuple(at and round((at - NOW).total_seconds(), 1) for at in moments)
            for number, *moments in connection.execute(selected)
        }


def test_entries_stay_and_the_audit_is_closed_when_pruning_comes_and_goes(app: APIFlask) -> None:
    upgrade(revision="0011")
    put(OLD_TENANT, number=1, slug="zurich-1")
    put("INSERT INTO partition_event (id, tenant_id, at, event) VALUES (1, 1, :now, 'x')")
    put("INSERT INTO audit_entry (id, at, actor, action) VALUES (1, :now, 'cli', 'x')")
    for move in (lambda: upgrade(revision="0014"), lambda: downgrade(revision="0011"), upgrade):
        move()
        for statement in (
            "DELETE FROM audit_entry WHERE at <= :now",
            "UPDATE audit_entry SET actor = 'me' WHERE at <= :now",
        ):
            with pytest.raises(DatabaseError, match="only ever added to"):
                put(statement)
        assert found("SELECT id, event FROM partition_event") == [(1, "x")]
    assert found("SELECT count, first_at FROM partition_event") == [(1, None)]
    # An instance of the version before writes its entries as ever.
    put("INSERT INTO partition_event (id, tenant_id, at, event) VALUES (2, 1, :now, 'y')")
    assert found("SELECT count FROM partition_event WHERE id = 2") == [(1,)]
