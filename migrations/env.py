"""Runs the migrations with the application's own engine and models.

On PostgreSQL, while the product serves: each migration is a transaction of its own, waits for each
lock a short time only, and is tried again. On SQLite all of them are one transaction.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from alembic import context
from click import ClickException
from flask import current_app
from sqlalchemy import Connection, Engine, Enum, text
from sqlalchemy.exc import OperationalError

from migrations.steps import LOCK_WITHIN, PAUSE_S, is_lock_missed
from webapp.db.postgres import limit_waits_for_locks
from webapp.db.types import UtcDateTime
from webapp.extensions import db
from webapp.logs import get_logger

# Any number of ours will do: it keeps two machines from migrating one database at once.
LOCK_NUMBER = 7_274_282
GIVE_UP_AFTER_S = 600.0
POLL_S = 0.5
TAKE_LOCK = text(f"SELECT pg_try_advisory_xact_lock({LOCK_NUMBER})")
OLDEST = text(f"""
    SELECT string_agg(who, ', ') FROM (
        SELECT 'pid ' || pid || ' of ' || coalesce(usename, '?') || ', '
            || round(extract(epoch FROM clock_timestamp() - xact_start)) || ' s' AS who
        FROM pg_stat_activity
        WHERE datname = current_database() AND xact_start < now() - interval '1 second'
            AND pid NOT IN (
                SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK_NUMBER}
            )
        ORDER BY xact_start LIMIT 3
    ) AS oldest
""")  # noqa: S608
# The first schema of the search_path gets what is made; what is found may lie in a later one.
FOUND_ELSEWHERE = text(
    "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass("
    "'alembic_version') AND relnamespace::regnamespace::text <> quote_ident(current_schema())"
)
SEARCH = ("tenant_search", "ix_tenant_search")

log = get_logger("paratia.migrate")


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our column types as plain ones: a migration must not change with the models."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, Enum):
        return f"sa.String(length={item.length})"
    return False


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave out the search's index, which no model describes: SQLite's tables, PostgreSQL's GIN."""
    return not (kind in {"table", "index"} and (name or "").startswith(SEARCH))


def refuse_two_schemas(connection: Connection) -> None:
    """Keep one install's new tables from mixing with another's.

    Raises:
        ClickException: the tables of an install are visible in a later schema of the search_path.
    """
    if other := connection.scalar(FOUND_ELSEWHERE):
        raise ClickException(
            f"an install in the schema {other} is visible, but tables would be made in another "
            "one: let the search_path of DATABASE_URL name one schema alone"
        )


def run_migrations() -> None:
    """Bring the database to the revision asked for; what was done stays when it is cut short.

    Raises:
        ClickException: others held a lock for too long.
    """
    engine = db.engine.execution_options(writes=True)
    gives_up_at = time.monotonic() + GIVE_UP_AFTER_S
    with one_at_a_time(engine):
        while True:
            try:
                return migrate(engine)
            except OperationalError as error:
                if not is_lock_missed(error):
                    raise
                if time.monotonic() > gives_up_at:
                    raise no_lock(engine) from error
            log.warning("migrate.waits_for_lock", transactions=oldest_transactions(engine))
            time.sleep(PAUSE_S)


@contextmanager
def one_at_a_time(engine: Engine) -> Iterator[None]:
    """On PostgreSQL, wait until no other process migrates, and keep others out meanwhile.

    The transaction that holds the lock has no snapshot, and the lock is not waited for inside of a
    statement, which has one: an index that is built concurrently waits for all snapshots.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    with patient(engine) as connection:
        is_told = False
        while not connection.scalar(TAKE_LOCK):
            connection.rollback()
            if not is_told:
                log.warning("migrate.waits_for_another", message="another process migrates")
                is_told = True
            time.sleep(POLL_S)
        refuse_two_schemas(connection)
        yield


@contextmanager
def patient(engine: Engine) -> Iterator[Connection]:
    """A connection to PostgreSQL whose statements may take any time, for migrations alone."""
    with engine.connect() as connection:
        limit_waits_for_locks(connection, LOCK_WITHIN)
        try:
            yield connection
        finally:
            # In the pool it would keep these limits.
            connection.invalidate()


def migrate(engine: Engine) -> None:
    """Run all that is left, each migration in a transaction of its own where that is safe."""
    is_postgresql = engine.dialect.name == "postgresql"
    with patient(engine) if is_postgresql else engine.begin() as connection:
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_item=render_item,
            include_name=include_name,
            transaction_per_migration=True,
            **current_app.extensions["migrate"].configure_args,
        )
        asked_for = str(context.get_context().opts.get("destination_rev"))
        try:
            context.run_migrations()
        except OperationalError as error:
            if asked_for.startswith(("+", "-")) and is_lock_missed(error):
                # Of two steps one may be done: they would be counted anew.
                raise no_lock(engine) from error
            raise


def no_lock(engine: Engine) -> ClickException:
    return ClickException(
        f"no lock was had (transactions that last: {oldest_transactions(engine)}): let them end, "
        "and run the command again; what was done stays"
    )


def oldest_transactions(engine: Engine) -> str:
    """Sessions that may hold the lock, for those who can end them."""
    if engine.dialect.name != "postgresql":
        return "another process writes"
    with engine.connect() as connection:
        return connection.scalar(OLDEST) or "none"


run_migrations()
