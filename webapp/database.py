"""The engine's options on each database, and the transaction that services write in."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import DateTime, Dialect, Engine, create_engine, event
from sqlalchemy.engine import Connection, ExceptionContext, make_url
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from webapp.patience import left_s
from webapp.safe_methods import (
    ChangeRefused,
    Note,
    are_changes_refused,
    noting,
    require_change,
)

BUSY_TIMEOUT_S = 10
POOL_TIMEOUT_S = 5

READ_ONLY = "paratia_read_only"
# What PostgreSQL calls a write in a transaction that may only read.
READ_ONLY_TRANSACTION = "25006"


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, timezone-aware in Python on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment in UTC; a naive one is refused, since nobody knows what it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment with its zone, which SQLite does not keep."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def engine_options(database_address: str) -> dict[str, Any]:
    """Options for `create_engine`, with a bound on every wait for this database."""
    if make_url(database_address).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_TIMEOUT_S}}
    return {
        "pool_pre_ping": True,
        "pool_size": 5,
        "max_overflow": 10,
        "pool_timeout": POOL_TIMEOUT_S,
    }


def prepare_engine(engine: Engine) -> None:
    """Bound each wait for the database, and let it change nothing where only reading is allowed.

    SQLite is also made to keep what it acknowledged.
    """
    event.listen(engine, "checkout", _allow_or_refuse_changes)
    event.listen(engine, "handle_error", _name_a_refusal)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
        return
    from webapp.postgres import begin, connect

    event.listen(engine, "begin", begin)

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, arguments: Any, options: Any) -> Any:
        return connect(*arguments, **options)


def _allow_or_refuse_changes(connection: Any, record: Any, _fairy: object) -> None:
    """Have the database itself refuse to write by this connection, or take that back.

    Said only where it changes, and to psycopg without a journey to the server: the next
    transaction begins as READ ONLY, also one that psycopg begins by itself.
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
    """Tell a write that was refused for its request's method from a database that cannot write."""
    error = context.original_exception
    is_refusal = (
        getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY
        or getattr(error, "sqlstate", None) == READ_ONLY_TRANSACTION
    )
    if is_refusal and are_changes_refused():
        raise ChangeRefused("the database was written to where only reading is allowed") from error


def _prepare_sqlite(engine: Engine) -> None:
    """Begin writing transactions as writers.

    A transaction that reads first and writes later fails at once when another wrote in
    between (SQLITE_BUSY_SNAPSHOT), whatever the busy timeout; one that begins IMMEDIATE
    waits its turn instead.
    """

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        busy_ms = round(left_s(BUSY_TIMEOUT_S) * 1000)
        connection.connection.cursor().execute(f"PRAGMA busy_timeout={busy_ms}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Beginning(Protocol):
    """What the writing transactions of a request begin with."""

    def begin(self, session: Session) -> None:
        """Do it in the transaction, before anything else."""

    def committed(self) -> None:
        """The transaction was committed."""


_beginning: ContextVar[Beginning | None] = ContextVar("paratia_beginning", default=None)


def begin_transactions_with(beginning: Beginning | None) -> None:
    """Begin all writing transactions of this request, or of this thread, so from now on."""
    _beginning.set(beginning)


class Database:
    """Short writing transactions, apart from the session that a request reads with."""

    def __init__(self, engine: Engine) -> None:
        self._sessions = sessionmaker(engine.execution_options(writes=True), expire_on_commit=False)
        self._readers = sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back on an exception.

        Raises:
            ChangeRefused: in a request whose method is safe.
        """
        require_change("a transaction was begun")
        beginning = _beginning.get()
        with self._sessions.begin() as session:
            if beginning is not None:
                beginning.begin(session)
            yield session
        if beginning is not None:
            beginning.committed()

    @contextmanager
    def note(self, what: Note) -> Iterator[Session]:
        """A transaction for one of the few things that a safe request writes, too."""
        with noting(what), self.transaction() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading; it takes no lock that would keep a writer waiting."""
        with self._readers() as session:
            yield session


def open_database(address: str) -> Database:
    """The database for a process without an application; it connects when it is asked."""
    engine = create_engine(address, **engine_options(address))
    prepare_engine(engine)
    return Database(engine)


def utc_now() -> datetime:
    """The current moment, timezone-aware."""
    return datetime.now(UTC)
