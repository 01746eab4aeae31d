"""Repeats: an effect that a client asks for under a key happens once, and is answered alike."""

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

# The status of a key that has no answer yet. A client's is committed with its answer; a form's
# gets its answer after its effect.
UNDER_WAY = 0

# PostgreSQL's codes for a wait that took too long: query_canceled, lock_not_available.
WAITED_TOO_LONG = frozenset({"57014", "55P03"})


@dataclass(frozen=True)
class Key:
    """A client's key: whose it is, and a digest of what it was sent with."""

    owner: str
    text: str
    fingerprint: str


@dataclass(frozen=True)
class Answer:
    """What a client is told, to the byte."""

    status: int
    body: str
    location: str | None = None


class Repeated(Exception):
    """The key was used for this before, so nothing is done now. `answer` is what it got."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("the key was used before")
        self.answer = answer


class Idempotency(Protocol):
    """How often a use case may take effect: it calls these in the transaction of its effect."""

    def begin(self, session: Session) -> None:
        """Take the key, before anything else is written.

        Raises:
            Repeated: it was used for the same request; nothing is to be done.
            KeyMismatch: it was used for another request.
            KeyInUse: its first use is still under way, and took too long to wait for.
        """

    def finish(self, session: Session, result: Any) -> None:
        """Store what the client is told of the result, beside the effect."""


class WithoutKey:
    """Without a key, each request takes effect. Costs nothing."""

    def begin(self, session: Session) -> None:
        """Let it happen."""

    def finish(self, session: Session, result: Any) -> None:
        """Keep nothing."""


WITHOUT_KEY = WithoutKey()


class WithKey:
    """With a key, one request takes effect: its answer is written in the same transaction.

    Requests that come at once wait for each other, since the key is unique; so a repeat sees
    the effect together with its answer, or neither.
    """

    def __init__(self, key: Key, answered: Callable[[Any], Answer]) -> None:
        self._key = key
        self._answered = answered
        self.answer: Answer | None = None

    def begin(self, session: Session) -> None:
        """Take the key, as a row that waits for its answer; one older than a day counts as free."""
        # The use case may try again after a transaction that was rolled back.
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
        """Store the answer, and have it at hand as `answer`."""
        answer = self._answered(result)
        _finish(session, self._key, answer)
        self.answer = answer


class IdempotencyKeys:
    """Keeps answers that are not written with their effect, and lets go of old ones."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, key: Key, refusal: Answer) -> None:
        """Store a refusal, so that repeats are refused alike.

        Raises:
            Repeated, KeyMismatch, KeyInUse: as `Idempotency.begin`; the key's first answer counts.
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
        """When the key was taken, and its answer; None for what is not there (yet)."""
        with self._database.reading() as session:
            is_new = IdempotencyKey.created_at >= utc_now() - KEPT_FOR
            row = session.scalar(select(IdempotencyKey).where(_is(key), is_new))
        if row is None:
            return None, None
        is_answered = row.status != UNDER_WAY
        return row.created_at, Answer(row.status, row.body, row.location) if is_answered else None

    def prune(self) -> int:
        """Delete keys older than a day, in short transactions; returns how many.

        At most `PRUNED_PER_SWEEP`: the next sweep takes the rest. A key counts as new by its
        age alone, whether it is pruned or not.
        """
        pruned = 0
        while pruned < PRUNED_PER_SWEEP:
            batch = self._prune_batch()
            pruned += batch
            if batch < PRUNED_AT_ONCE:
                break
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
    """Insert the key, or take over one that is too old; returns a row only when it is ours."""
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
    # The attempt to take the key has locked its row: it cannot be pruned before it is read.
    row = session.scalars(select(IdempotencyKey).where(_is(key))).one()
    if row.fingerprint != key.fingerprint:
        raise KeyMismatch
    if row.status == UNDER_WAY:
        raise KeyInUse
    return Answer(row.status, row.body, row.location)


def _is(key: Key) -> Any:
    return and_(IdempotencyKey.owner == key.owner, IdempotencyKey.key == key.text)
