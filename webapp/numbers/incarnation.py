"""Whether this is the database that Milvus was compared with; else no number is drawn from it.

A database from a backup lacks later tenants, whose partitions are in Milvus: a new tenant could get
the number of one of them, and with it the partition. It also has deletions that were taken back
since: a drop would destroy the rows of a tenant who was kept.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, replace
from secrets import token_hex

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.audit import log as audit
from webapp.db.identity import identity_of, is_other
from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.errors import DatabaseRestored, NotRestored
from webapp.halts.restored_state import RestoredState
from webapp.idempotency import WITHOUT_KEY, Idempotency
from webapp.logs import get_logger
from webapp.models.audit import Actor
from webapp.models.control import Installation
from webapp.numbers.counter import counter, counter_column, lift
from webapp.numbers.witness import Reached, Witness

THE_ROW = 1
# A copy that is older than this has a lower clock, whatever was changed since.
CLOCK_MOVES_EVERY_S = 5.0
# Why a restore is suspected.
OTHER_DATABASE = "other_database"
NUMBERS_WENT_BACK = "numbers_went_back"
CLOCK_WENT_BACK = "clock_went_back"
OTHER_INSTALLATION = "other_installation"

log = get_logger("paratia.database")


@dataclass(frozen=True)
class Look:
    """What a look at the database found; `doubt` is why it may have been restored."""

    nonce: str
    identity: str
    reached: Reached
    # How far the witnesses know it to have come.
    known: Reached
    doubt: str | None
    is_stored: bool


class Incarnations:
    """Recognizes a database that was restored, and lets it go on once it was compared.

    What the database says of itself (its identity) is compared with what it was; the highest number
    and the clock that witnesses know are compared with its own. In the ordinary case a check costs
    one small query, on PostgreSQL two, and the read of a small file.
    """

    def __init__(self, database: Database, witness: Witness) -> None:
        self._database = database
        self._witness = witness
        # None until the witness was asked about this installation.
        self._nonce: str | None = None
        self._moved_at = -math.inf

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Around a transaction that calls `require_known`: a doubt is stored after its rollback."""
        self._load_witness()
        try:
            yield
        except DatabaseRestored as refusal:
            if isinstance(refusal.look, Look) and not refusal.look.is_stored:
                # In a context of its own: this is no part of the request's own effect.
                Context().run(self._suspect, refusal.look)
            raise

    def require_known(self, session: Session) -> Look:
        """Call it in the transaction that draws numbers, before the first; within `drawing`.

        Raises:
            DatabaseRestored: no number may be drawn before this database was compared with Milvus.
        """
        look = self._look(session)
        if look.doubt:
            raise DatabaseRestored(look)
        return look

    def note_drawn(self, session: UnitOfWork, look: Look, number: int) -> None:
        """Have the witnesses told of this number once it is committed."""
        session.after_commit(lambda: self._witness.note(look.nonce, Reached(number)))

    def check(self) -> bool:
        """Whether partitions may be made or dropped; a new doubt is stored for all processes."""
        look = self._read() or self._first_look()
        if look.doubt and not look.is_stored:
            look = self._suspect(look)
        if not look.doubt:
            self._witness.note(look.nonce, look.reached)
        return not look.doubt

    def keep_clock(self) -> None:
        """Move the clock on every few seconds; call it after a check that found no doubt."""
        if time.monotonic() - self._moved_at < CLOCK_MOVES_EVERY_S:
            return
        with self._database.transaction() as session:
            move_clock(session)
        self._moved_at = time.monotonic()

    def doubt(self) -> str | None:
        """Why this database may have been restored, None without a doubt; it writes nothing."""
        if look := self._read():
            return look.doubt
        return OTHER_INSTALLATION if self._witness.knows_another("") else None

    def is_compared(self) -> bool:
        """Whether nothing is in doubt, and Milvus was compared with this database before."""
        if not self.check():
            return False
        row = self._database.read(Session.get_one, Installation, THE_ROW)
        return row.compared_at is not None

    def record_compared(self) -> None:
        """Store that the counter is above all numbers in Milvus: this database may go on."""
        self._load_witness(again=True)
        with self._database.transaction() as session:
            row = session.get_one(Installation, THE_ROW, with_for_update=True)
            look = self._look(session)
            lift(session, max(look.known.number, row.highest_known or 0))
            row.clock = max(look.known.clock, row.clock)
            was_suspected = row.suspected_at is not None
            row.identity, row.compared_at = look.identity, utc_now()
            row.suspected_at = row.highest_known = None
            if was_suspected:
                fields = {"reason": row.reason, "counter": counter(session)}
                session.after_commit(lambda: log.warning("database.compared", **fields))
        self.check()

    def acknowledge(self, *, actor: Actor, idempotency: Idempotency = WITHOUT_KEY) -> RestoredState:
        """Let drops go on after a restore: an operator has looked at what is to be dropped.

        Raises:
            NotRestored: nothing is held back by a restore.
            DatabaseRestored: Milvus was not compared with it yet.
            Repeated: see `Idempotency`.
        """
        with self._database.transaction() as session:
            idempotency.begin(session)
            row = session.get(Installation, THE_ROW, with_for_update=True)
            state = RestoredState.of(row)
            if row is None or state is None or state.acknowledged_at is not None:
                raise NotRestored
            if state.is_suspected:
                # What is to be dropped is not known yet.
                raise DatabaseRestored(None)
            row.acknowledged_at, row.acknowledged_by = utc_now(), actor.signature
            audit.record(
                session,
                actor=actor,
                action="database.acknowledge_restore",
                target="database",
                before={"reason": row.reason},
            )
            state = replace(state, acknowledged_at=row.acknowledged_at)
            idempotency.finish(session, state)
        return state

    def _read(self) -> Look | None:
        """A look without a write; None before the first use of this database."""
        self._load_witness()
        known = self._known()
        with self._database.reading() as session:
            is_new = session.get(Installation, THE_ROW) is None
            return None if is_new else self._look(session, known)

    def _first_look(self) -> Look:
        with self._database.transaction() as session:
            return self._look(session)

    def _look(self, session: Session, known: Reached | None = None) -> Look:
        # Before the database is read: what others change after that is known to be above it.
        known = known or self._known()
        row, drawn = _row(session)
        reached, identity = Reached(drawn, row.clock), identity_of(session, "tenant")
        if row.nonce != self._nonce:
            known = self._witness.reached(row.nonce)
        is_stored = row.suspected_at is not None
        stored = row.reason or OTHER_DATABASE
        doubt = stored if is_stored else self._doubt(row, identity, reached, known)
        return Look(row.nonce, identity, reached, known, doubt, is_stored)

    def _doubt(
        self, row: Installation, identity: str, reached: Reached, known: Reached
    ) -> str | None:
        if is_other(row.identity, identity):
            return OTHER_DATABASE
        if known.number > reached.number:
            return NUMBERS_WENT_BACK
        if known.clock > reached.clock:
            return CLOCK_WENT_BACK
        if row.compared_at is None and self._witness.knows_another(row.nonce):
            return OTHER_INSTALLATION
        return None

    def _suspect(self, look: Look) -> Look:
        """Store the doubt, unless another look has none: a reader of SQLite sees a moment ago."""
        now = utc_now()
        suspected = {
            "suspected_at": now,
            "restored_at": now,
            "reason": look.doubt,
            "highest_known": look.known.number,
            # At once: another process may compare it, and know less.
            "clock": max(look.known.clock, look.reached.clock),
            "acknowledged_at": None,
            "acknowledged_by": None,
        }
        with self._database.transaction() as session:
            _row(session, look.nonce)
            again = self._look(session)
            if not again.doubt:
                return again
            free = (Installation.id == THE_ROW, Installation.suspected_at.is_(None))
            mine = update(Installation).where(*free).values(suspected).returning(Installation.id)
            if session.scalar(mine) is not None:
                fields = {"reason": look.doubt, "counter": look.reached.number}
                fields |= {"highest_known": look.known.number}
                session.after_commit(lambda: log.error("database.restored", **fields))
        return look

    def _known(self) -> Reached:
        return self._witness.reached(self._nonce) if self._nonce else Reached()

    def _load_witness(self, *, again: bool = False) -> None:
        if again or self._nonce is None:
            nonce = self._database.read(Session.scalar, select(Installation.nonce))
            if nonce:
                self._witness.load(nonce)
            self._nonce = nonce


def move_clock(session: Session) -> None:
    """Make each copy from before this transaction an older one; call it before others of its locks.

    The reconciler tells the witnesses: it checks before each round of drops, every second.
    """
    mine = update(Installation).where(Installation.id == THE_ROW)
    session.execute(mine.values(clock=Installation.clock + 1))


def _row(session: Session, nonce: str | None = None) -> tuple[Installation, int]:
    """The installation's row, made at the first use of this database, and the counter."""
    both = select(Installation, counter_column(session)).where(Installation.id == THE_ROW)
    found = session.execute(both).first()
    if found is None:
        first = {"id": THE_ROW, "nonce": nonce or token_hex(16)}
        values = {**first, "identity": identity_of(session, "tenant")}
        session.execute(insert_into(session, Installation).values(values).on_conflict_do_nothing())
        found = session.execute(both).one()
    return found[0], found[1] or 0
