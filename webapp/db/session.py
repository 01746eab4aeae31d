"""The transactions that services write in, and the sessions that pages read with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from webapp.db.engine import engine_options, prepare_engine
from webapp.db.safe_methods import Note, noting, require_change


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


class UnitOfWork(Session):
    """The session of a writing transaction, with what follows its commit.

    So a line in the log or a job in the queue never tells of what was rolled back.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._effects: list[Callable[[], object]] = []

    def after_commit(self, effect: Callable[[], object]) -> None:
        """Have `effect` called once the transaction is committed, in the order of these calls."""
        self._effects.append(effect)

    def run_effects(self) -> None:
        """Call what was to follow the commit."""
        for effect in self._effects:
            effect()


class Database:
    """Short writing transactions, apart from the session that a request reads with."""

    def __init__(self, engine: Engine) -> None:
        self._sessions = sessionmaker(
            engine.execution_options(writes=True), class_=UnitOfWork, expire_on_commit=False
        )
        self._readers = sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[UnitOfWork]:
        """A session that commits at the end of the block, or rolls back on an exception.

        What it was told to do after the commit is done before the block is left.

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
