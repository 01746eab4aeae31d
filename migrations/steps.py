"""Steps of migrations that lock a table for no longer than a moment, whatever its size.

On PostgreSQL each of them commits what the migration did so far. A migration that is cut short
runs again from its beginning, so what stands before such a step must be harmless to repeat:
`add_column`, `IF EXISTS`, `CREATE OR REPLACE`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import OperationalError

BATCH = 2_000
# Others who ask for a table wait as long as a migration waits for its lock, so it gives way: in
# less than the second (deadlock_timeout) after which PostgreSQL would end one of theirs.
LOCK_WITHIN = "800ms"
PAUSE_S = 3.0
# Codes of PostgreSQL: lock_not_available, deadlock_detected.
WAITED_FOR_LOCK = {"55P03", "40P01"}
IS_INVALID = sa.text(
    "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid"
)


def on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def add_column(table: str, column: "sa.Column[object]") -> None:
    """Add a column, unless it is there: nullable, or with a `server_default` that is a constant."""
    if column.name not in {each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def create_index(name: str, on: str, *, unique: bool = False) -> None:
    """Make an index unless it is there; one whose making was cut short is made anew.

    `on` is SQL of both databases: `partition (state, tenant_id) WHERE state IS NULL`.
    """
    kind = "UNIQUE INDEX" if unique else "INDEX"
    with _outside_of_transactions() as concurrently:
        if concurrently and op.get_bind().scalar(IS_INVALID, {"name": name}):
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        op.execute(f"CREATE {kind} {concurrently} IF NOT EXISTS {name} ON {on}")


def drop_index(name: str) -> None:
    """Drop an index, where there is one."""
    with _outside_of_transactions() as concurrently:
        op.execute(f"DROP INDEX {concurrently} IF EXISTS {name}")


def in_batches(statement: str, table: str, key: str, size: int = BATCH) -> None:
    """Run a statement for all rows of a table, those `BETWEEN :first AND :last` of the key at once.

    On PostgreSQL each batch is a transaction of its own: others wait for one batch at most.
    """
    batch = f"SELECT {key} FROM {table} WHERE {key} > :after ORDER BY {key} LIMIT {size}"  # noqa: S608
    ends_of = sa.text(f"SELECT min({key}), max({key}) FROM ({batch}) AS batch")  # noqa: S608
    with _outside_of_transactions():
        bind, last = op.get_bind(), -1
        while (ends := bind.execute(ends_of, {"after": last}).one())[1] is not None:
            if _is_run(sa.text(statement), dict(zip(("first", "last"), ends, strict=True))):
                last = ends[1]


def _is_run(statement: sa.TextClause, ends: dict[str, int]) -> bool:
    """Run a batch; False where it gave way to others, who have one of its rows."""
    if not on_postgresql():
        op.get_bind().execute(statement, ends)
        return True
    op.execute(f"BEGIN; SET LOCAL lock_timeout = '{LOCK_WITHIN}'")
    try:
        op.get_bind().execute(statement, ends)
    except OperationalError as error:
        op.execute("ROLLBACK")
        if not is_lock_missed(error):
            raise
        return False
    op.execute("COMMIT")
    return True


def is_lock_missed(error: OperationalError) -> bool:
    """Whether another session's lock was waited for until the limit."""
    code = getattr(error.orig, "sqlstate", None)
    return code in WAITED_FOR_LOCK or getattr(error.orig, "sqlite_errorname", "") == "SQLITE_BUSY"


@contextmanager
def _outside_of_transactions() -> Iterator[str]:
    """On PostgreSQL, commit what was done; what follows has no time limit. Gives CONCURRENTLY."""
    if not on_postgresql():
        yield ""
        return
    with op.get_context().autocommit_block():
        limits = ("statement_timeout", "lock_timeout")
        in_force = [each for each in limits if op.get_bind().scalar(sa.text(f"SHOW {each}")) != "0"]
        for each in in_force:
            op.execute(f"SET {each} = 0")
        yield "CONCURRENTLY"
        for each in in_force:
            op.execute(f"RESET {each}")
