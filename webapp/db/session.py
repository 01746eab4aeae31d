"""The transactions that services write in, and the sessions that pages read with."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

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
