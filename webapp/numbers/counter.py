"""Keeps the counter of tenants' numbers above every number that is or was in use."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, func, literal_column, select, text
from sqlalchemy.orm import Session

from webapp.db.session import Database
from webapp.logs import get_logger
from webapp.models.base import Number
from webapp.models.naming import MAX_TENANT_ID, number_in
from webapp.models.tenant import Tenant

# Partitions in Milvus lift the counter at most this far above our own highest number: a single
# stray partition must not use the numbers up.
REACH = 1_000_000

# No partition lifts the counter above this, so that later tenants have numbers left.
HIGHEST = MAX_TENANT_ID // 2

COUNTERS = {
    "postgresql": "pg_sequence_last_value(pg_get_serial_sequence('tenant', 'id'))",
    "sqlite": "(SELECT seq FROM sqlite_sequence WHERE name = 'tenant')",
}

log = get_logger("paratia.numbers")


def lift_above(database: Database, partitions: Iterable[str]) -> int | None:
    """Give no new tenant the number of a listed partition, unless it is out of reach.

    Needed after a restore from a backup. Returns the number that the counter was lifted to;
    None, without a write, where it is high enough.
    """
    seen = {number for name in partitions if (number := number_in(name)) is not None}
    with database.reading() as session:
        own, within = highest_own(session), reach(session)
        # Rows that were copied into PostgreSQL do not move its counter either.
        highest = max([own, *(number for number in seen if number <= within)])
        if highest <= counter(session):
            return None
    with database.transaction() as session:
        lift(session, highest)
    log.warning("tenant.numbers_lifted", above=highest)
    return highest


def highest_own(session: Session) -> int:
    """The highest number of a tenant, deleted ones too; 0 where there never was one."""
    return session.scalar(select(func.max(Tenant.id))) or 0


def reach(session: Session) -> int:
    """The highest number in Milvus that the counter is lifted above."""
    return min(highest_own(session) + REACH, HIGHEST)


def counter(session: Session) -> int:
    """The highest number ever assigned; the next tenant's is above it."""
    given = session.scalar(select(counter_column(session))) or 0
    if session.get_bind().dialect.name == "postgresql":
        return given
    # SQLite takes the next number after the higher of both.
    return max(given, highest_own(session))


def counter_column(session: Session) -> ColumnElement[int | None]:
    """The database's own counter, for another statement; NULL before the first number."""
    return literal_column(COUNTERS[session.get_bind().dialect.name], Number)


def lift(session: Session, at_least: int) -> None:
    """Assign numbers above `at_least` from now on; the counter never goes down.

    On PostgreSQL the counter moves at once, whether or not the transaction commits.
    """
    if counter(session) >= at_least:
        return
    if session.get_bind().dialect.name == "postgresql":
        # Locked, so that no number drawn meanwhile is above the one that is set.
        session.execute(text("LOCK TABLE tenant IN SHARE ROW EXCLUSIVE MODE"))
        sequence = "pg_get_serial_sequence('tenant', 'id')"
        session.execute(
            text(
                f"SELECT setval({sequence}, GREATEST("
                f":at_least, coalesce(pg_sequence_last_value({sequence}), 0)))"
            ),
            {"at_least": at_least},
        )
        return
    # SQLite has one writing transaction at a time, so no number is drawn in between.
    lifted = text("UPDATE sqlite_sequence SET seq = :at_least WHERE name = 'tenant' RETURNING seq")
    if session.execute(lifted, {"at_least": at_least}).first() is None:
        first = text("INSERT INTO sqlite_sequence (name, seq) VALUES ('tenant', :at_least)")
        session.execute(first, {"at_least": at_least})
