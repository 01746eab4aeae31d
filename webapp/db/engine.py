"""The options of the engine on each database, and the set-up of each connection."""

import sqlite3
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection, ExceptionContext, make_url
from sqlalchemy.exc import DisconnectionError

from webapp.db.deadline import left_s
from webapp.db.identity import inode_of
from webapp.db.safe_methods import ChangeRefused, are_changes_refused

BUSY_TIMEOUT_S = 10
POOL_TIMEOUT_S = 5
READ_ONLY = "paratia_read_only"
INODE = "paratia_inode"
# PostgreSQL's code for a write in a read-only transaction.
READ_ONLY_TRANSACTION = "25006"


def engine_options(database_address: str) -> dict[str, Any]:
    """Options for `create_engine` that bound every wait for this database."""
    if make_url(database_address).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_TIMEOUT_S}}
    return {
        "pool_pre_ping": True,
        "pool_size": 5,
        "max_overflow": 10,
        "pool_timeout": POOL_TIMEOUT_S,
    }


def prepare_engine(engine: Engine) -> None:
    """Bound each wait, refuse writes of requests that may only read, make SQLite durable."""
    event.listen(engine, "checkout", _allow_or_refuse_changes)
    event.listen(engine, "handle_error", _name_a_refusal)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
        return
    from webapp.db.postgres import begin, connect

    event.listen(engine, "begin", begin)

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, arguments: Any, options: Any) -> Any:
        return connect(*arguments, **options)


def _allow_or_refuse_changes(connection: Any, record: Any, _fairy: object) -> None:
    """Make the database refuse writes on this connection, or allow them again.

    For psycopg without a round trip: its next transaction begins as READ ONLY.
    """
    if not isinstance(connection, sqlite3.Connection):
        connection.autocommit = False
    refused = are_changes_refused()
    if record.info.get(READ_ONLY, False) == refused:
        return
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA query_only={int(refused)}")
    else:
        connection.read_only = True if refused else None
    record.info[READ_ONLY] = refused


def _name_a_refusal(context: ExceptionContext) -> None:
    """Distinguish a write refused for the request's method from a read-only database."""
    error = context.original_exception
    is_refusal = (
        getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY
        or getattr(error, "sqlstate", None) == READ_ONLY_TRANSACTION
    )
    if is_refusal and are_changes_refused():
        raise ChangeRefused("the database was written to where only reading is allowed") from error


def _prepare_sqlite(engine: Engine) -> None:
    """Begin writing transactions as writers (BEGIN IMMEDIATE), which wait for other writers.

    An upgrade from reader to writer fails at once after another write (SQLITE_BUSY_SNAPSHOT).
    """

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "checkout")
    def _leave_a_replaced_file(_connection: Any, record: Any, _fairy: object) -> None:
        """Connect anew where another file was put in the place of the one that is open."""
        inode = inode_of(engine.url.database)
        if record.info.setdefault(INODE, inode) != inode:
            raise DisconnectionError("the database's file was replaced")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        busy_ms = round(left_s(BUSY_TIMEOUT_S) * 1000)
        connection.connection.cursor().execute(f"PRAGMA busy_timeout={busy_ms}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
