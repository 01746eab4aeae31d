"""Idempotency keys: a repeated request has no second effect, and gets the first answer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Insert, and_, delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.errors import KeyInUse, KeyMismatch
from webapp.models.idempotency import IdempotencyKey

KEPT_FOR = timedelta(hours=24)
PRUNED_AT_ONCE = 500
PRUNED_PER_SWEEP = 20 * PRUNED_AT_ONCE

# The status of a key without an answer. An API client's key is committed with its answer, a form's
# before it.
UNDER_WAY = 0

# PostgreSQL's codes for a wait that took too long: query_canceled, lock_not_available.
WAITED_TOO_LONG = frozenset({"57014", "55P03"})


@dataclass(frozen=True)
class Key:
    """A client's key: its owner, and a digest of the request."""

    owner: str
    text: str
    fingerprint: str


@dataclass(frozen=True)
class Answer:
    """The answer to a client, to the byte."""

    status: int
    body: str
    location: str | None = None


class Repeated(Exception):
    """The key was used for this request before: nothing is done now. `answer` is the first one."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("the key was used before")
        self.answer = answer


class Idempotency(Protocol):
    """The hooks that a use case calls within the transaction of its effect."""

    def begin(self, session: Session) -> None:
        """Take the key, before anything else is written.

        Raises:
            Repeated: it was used for the same request.
            KeyMismatch: it was used for another request.
            KeyInUse: its first request has not ended within the time that a lock is awaited.
        """

    def finish(self, session: Session, result: Any) -> None:
        """Store the answer for this result."""


class WithoutKey:
    """Without a key, each request takes effect, at no cost."""

    def begin(self, session: Session) -> None: ...

    def finish(self, session: Session, result: Any) -> None: ...


WITHOUT_KEY = WithoutKey()


class WithKey:
    """With a key, one request takes effect; its answer is stored in the same transaction.

    Concurrent requests wait for each other, since the key is unique. So a repeat sees the effect
    and its answer, or neither.
    """

    def __init__(self, key: Key, answered: Callable[[Any], Answer]) -> None:
        self._key = key
        self._answered = answered
        self.answer: Answer | None = None

    def begin(self, session: Session) -> None:
        """Take the key, as a row without an answer; a key older than a day is free."""
        # A use case calls this again after a rollback.
        self.answer = None
        try:
            is_mine = session.scalar(_take(session, self._key))
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) in WAITED_TOO_LONG:
                raise KeyInUse from error
            raise
        if not is_mine:
            raise Repeated(_answer_of(session, self._key))

    def finish(self, session: Session, result: Any) -> None:
        """Store the answer, also as `answer`."""
        answer = self._answered(result)
        _finish(session, self._key, answer)
        self.answer = answer


class IdempotencyKeys:
    """Stores answers outside the transaction of an effect, and prunes old keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, key: Key, refusal: Answer) -> None:
        """Store a refusal, so that repeats get the same one.

        Raises:
            Repeated, KeyMismatch, KeyInUse: as `Idempotency.begin`; the first answer stays.
        """
        idempotency = WithKey(key, lambda answer: answer)
        with self._database.transaction() as session:
            idempotency.begin(session)
            idempotency.finish(session, refusal)

    def answer(self, key: Key, answer: Answer) -> None:
        """Store the answer of a key that was committed without one."""
        with self._database.transaction() as session:
            _finish(session, key, answer)

    def find(self, key: Key) -> tuple[datetime | None, Answer | None]:
        """The time at which the key was taken, and its answer; None for either that is missing."""
        with self._database.reading() as session:
            is_new = IdempotencyKey.created_at >= utc_now() - KEPT_FOR
            row = session.scalar(select(IdempotencyKey).where(_is(key), is_new))
        if row is None:
            return None, None
        is_answered = row.status != UNDER_WAY
        return row.created_at, Answer(row.status, row.body, row.location) if is_answered else None

    def prune(self) -> int:
        """Delete keys older than a day, in short transactions; returns how many.

        At most `PRUNED_PER_SWEEP`: the next sweep deletes the rest.
        """
        pruned, batch = 0, PRUNED_AT_ONCE
        while batch == PRUNED_AT_ONCE and pruned < PRUNED_PER_SWEEP:
            batch = self._prune_batch()
            pruned += batch
        return pruned

    def _prune_batch(self) -> int:
        columns = (IdempotencyKey.owner, IdempotencyKey.key)
        oldest = (
            select(*columns)
            .where(IdempotencyKey.created_at < utc_now() - KEPT_FOR)
            .order_by(IdempotencyKey.created_at)
            .limit(PRUNED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        gone = delete(IdempotencyKey).where(tuple_(*columns).in_(oldest)).returning(columns[1])
        with self._database.transaction() as session:
            return len(session.execute(gone.execution_options(synchronize_session=False)).all())


def _take(session: Session, key: Key) -> Insert:
    """Insert the key, or replace one that is too old; returns a row only where it did."""
    now = utc_now()
    begun = {
        "fingerprint": key.fingerprint,
        "status": UNDER_WAY,
        "location": None,
        "body": "",
        "created_at": now,
    }
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    return (
        insert(IdempotencyKey)
        .values(owner=key.owner, key=key.text, **begun)
        .on_conflict_do_update(
            index_elements=[IdempotencyKey.owner, IdempotencyKey.key],
            set_=begun,
            where=IdempotencyKey.created_at < now - KEPT_FOR,
        )
        .returning(IdempotencyKey.key)
    )


def _finish(session: Session, key: Key, answer: Answer) -> None:
    session.execute(
        update(IdempotencyKey)
        .where(_is(key))
        .values(status=answer.status, location=answer.location, body=answer.body)
        .execution_options(synchronize_session=False)
    )


def _answer_of(session: Session, key: Key) -> Answer:
    # `_take` has locked the row, so it cannot be pruned before it is read.
    row = session.scalars(select(IdempotencyKey).where(_is(key))).one()
    if row.fingerprint != key.fingerprint:
        raise KeyMismatch
    if row.status == UNDER_WAY:
        raise KeyInUse
    return Answer(row.status, row.body, row.location)


def _is(key: Key) -> Any:
    return and_(IdempotencyKey.owner == key.owner, IdempotencyKey.key == key.text)
