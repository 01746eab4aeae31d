"""The transactions of services, and the sessions that pages read with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from webapp.db.engine import engine_options, prepare_engine
from webapp.db.safe_methods import Note, noting, require_change

P = ParamSpec("P")
T = TypeVar("T")


class Beginning(Protocol):
    """A first step that each writing transaction of a request begins with."""

    def begin(self, session: Session) -> None:
        """Runs in the transaction, before any other statement."""

    def committed(self) -> None:
        """Called after the commit."""


_beginning: ContextVar[Beginning | None] = ContextVar("paratia_beginning", default=None)


def begin_transactions_with(beginning: Beginning | None) -> None:
    """Set the first step of all further writing transactions in this context."""
    _beginning.set(beginning)


class UnitOfWork(Session):
    """A writing transaction, with effects that run only after its commit."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._effects: list[Callable[[], object]] = []

    def after_commit(self, effect: Callable[[], object]) -> None:
        """Call `effect` after the commit; several effects run in their order."""
        self._effects.append(effect)

    def run_effects(self) -> None:
        for effect in self._effects:
            effect()


class Database:
    """Short writing transactions, separate from the session that a request reads with."""

    def __init__(self, engine: Engine) -> None:
        self._sessions = sessionmaker(
            engine.execution_options(writes=True), class_=UnitOfWork, expire_on_commit=False
        )
        self._readers = sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[UnitOfWork]:
        """A session that commits at the end of the block, or rolls back on an exception.

        The effects run after the commit, before the block is left.

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
        session.run_effects()

    @contextmanager
    def note(self, what: Note) -> Iterator[UnitOfWork]:
        """A transaction for one of the few writes that a safe request may make."""
        with noting(what), self.transaction() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading; it takes no lock that blocks a writer."""
        with self._readers() as session:
            yield session

    def read(
        self, query: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """What one query finds, in a session of its own."""
        with self.reading() as session:
            return query(session, *args, **kwargs)


def open_database(address: str) -> Database:
    """The database for a process without an application; it connects when it is asked."""
    engine = create_engine(address, **engine_options(address))
    prepare_engine(engine)
    return Database(engine)
