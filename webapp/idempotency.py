"""Idempotency keys: a request with a key takes effect once, and its repeats get its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Insert, and_, delete, select, tuple_, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.errors import KeyInUse, KeyMismatch
from webapp.models.idempotency import IdempotencyKey

KEPT_FOR = timedelta(hours=24)
PRUNED_AT_ONCE = 500
PRUNED_PER_SWEEP = 20 * PRUNED_AT_ONCE

# The status of a key without an answer. An API key is committed with its answer; the key of a form
# gets its answer after the effect.
UNDER_WAY = 0

# PostgreSQL's codes for a wait that took too long: query_canceled, lock_not_available.
WAITED_TOO_LONG = frozenset({"57014", "55P03"})


@dataclass(frozen=True)
class Key:
    """A client's key: its owner, and a digest of the request it was sent with."""

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
    """The key was used for the same request before; `answer` is what that request got."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("the key was used before")
        self.answer = answer


class Idempotency:
    """What a use case calls in the transaction of its effect, so that it happens once.

    Without a key, as here, each request takes effect.
    """

    def begin(self, session: Session) -> None:
        """Take the key, before anything else is written.

        Raises:
            Repeated: it was used for the same request; nothing is to be done.
            KeyMismatch: it was used for another request.
            KeyInUse: its first use is still under way, and took too long to wait for.
        """

    def finish(self, session: Session, result: Any) -> None:
        """Store the answer for this result, in the same transaction."""


WITHOUT_KEY = Idempotency()


class WithKey(Idempotency):
    """With a key, one request takes effect, with its answer in the same transaction.

    Concurrent requests wait on the unique key; a repeat sees effect and answer, or neither.
    """

    def __init__(self, key: Key, make_answer: Callable[[Any], Answer]) -> None:
        self._key = key
        self._make_answer = make_answer
        self.answer: Answer | None = None

    def begin(self, session: Session) -> None:
        """Insert the key with no answer yet; a key older than a day counts as free."""
        # The use case may try again after a rollback.
        self.answer = None
        try:
            is_ours = session.scalar(_take(session, self._key))
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) in WAITED_TOO_LONG:
                raise KeyInUse from error
            raise
        if not is_ours:
            raise Repeated(_answer_of(session, self._key))

    def finish(self, session: Session, result: Any) -> None:
        """Store the answer, and keep it in `answer`."""
        answer = self._make_answer(result)
        _finish(session, self._key, answer)
        self.answer = answer


def keep(database: Database, key: Key, refusal: Answer) -> None:
    """Store a refusal, so that repeats are refused alike.

    Raises:
        Repeated, KeyMismatch, KeyInUse: as `Idempotency.begin`; the key's first answer counts.
    """
    idempotency = WithKey(key, lambda answer: answer)
    with database.transaction() as session:
        idempotency.begin(session)
        idempotency.finish(session, refusal)


def store_answer(database: Database, key: Key, answer: Answer) -> None:
    """Store the answer of a key that was committed without one."""
    with database.transaction() as session:
        _finish(session, key, answer)


def find(database: Database, key: Key) -> tuple[datetime | None, Answer | None]:
    """When the key was taken, and its answer; None for each that is missing."""
    with database.reading() as session:
        is_new = IdempotencyKey.created_at >= utc_now() - KEPT_FOR
        row = session.scalar(select(IdempotencyKey).where(_is(key), is_new))
    if row is None:
        return None, None
    is_answered = row.status != UNDER_WAY
    return row.created_at, Answer(row.status, row.body, row.location) if is_answered else None


def prune(database: Database) -> int:
    """Prune at most `PRUNED_PER_SWEEP` expired keys in short transactions; returns how many."""
    pruned, batch = 0, PRUNED_AT_ONCE
    while batch == PRUNED_AT_ONCE and pruned < PRUNED_PER_SWEEP:
        batch = _prune_batch(database)
        pruned += batch
    return pruned


def _prune_batch(database: Database) -> int:
    columns = (IdempotencyKey.owner, IdempotencyKey.key)
    oldest = (
        select(*columns)
        .where(IdempotencyKey.created_at < utc_now() - KEPT_FOR)
        .order_by(IdempotencyKey.created_at)
        .limit(PRUNED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    expired = delete(IdempotencyKey).where(tuple_(*columns).in_(oldest)).returning(columns[1])
    with database.transaction() as session:
        return len(session.execute(expired.execution_options(synchronize_session=False)).all())


def _take(session: Session, key: Key) -> Insert:
    """Insert the key, or take over an expired one; returns a row only when this request has it."""
    now = utc_now()
    values = {
        "fingerprint": key.fingerprint,
        "status": UNDER_WAY,
        "location": None,
        "body": "",
        "created_at": now,
    }
    return (
        insert_into(session, IdempotencyKey)
        .values(owner=key.owner, key=key.text, **values)
        .on_conflict_do_update(
            index_elements=[IdempotencyKey.owner, IdempotencyKey.key],
            set_=values,
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
    # The insert that was refused has locked the row: it cannot be pruned before it is read.
    row = session.scalars(select(IdempotencyKey).where(_is(key))).one()
    if row.fingerprint != key.fingerprint:
        raise KeyMismatch
    if row.status == UNDER_WAY:
        raise KeyInUse
    return Answer(row.status, row.body, row.location)


def _is(key: Key) -> Any:
    return and_(IdempotencyKey.owner == key.owner, IdempotencyKey.key == key.text)
