"""Whether this is the database that Milvus was compared with; else no number is drawn from it.

A database from a backup lacks later tenants, whose partitions are in Milvus: a new tenant could get
the number of one of them, and with it the partition.
"""

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
from webapp.numbers.witness import Witness

THE_ROW = 1
# Why a restore is suspected.
OTHER_DATABASE = "other_database"
NUMBERS_WENT_BACK = "numbers_went_back"
OTHER_INSTALLATION = "other_installation"

log = get_logger("paratia.database")


@dataclass(frozen=True)
class Look:
    """What a look at the database found; `doubt` is why it may have been restored."""

    nonce: str
    identity: str
    counter: int
    highest_known: int
    doubt: str | None
    is_stored: bool


class Incarnations:
    """Recognizes a database that was restored, and lets it go on once it was compared.

    What the database says of itself (its identity) is compared with what it was; the highest number
    that witnesses know is compared with its counter. In the ordinary case a check costs
    one small query, on PostgreSQL two, and the read of a small file.
    """

    def __init__(self, database: Database, witness: Witness) -> None:
        self._database = database
        self._witness = witness
        # None until the witness was asked about this installation.
        self._nonce: str | None = None

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
        session.after_commit(lambda: self._witness.note(look.nonce, number))

    def check(self) -> bool:
        """Whether partitions may be made or dropped; a new doubt is stored for all processes."""
        look = self._read() or self._first_look()
        if look.doubt and not look.is_stored:
            look = self._suspect(look)
        if not look.doubt:
            self._witness.note(look.nonce, look.counter)
        return not look.doubt

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
            lift(session, max(look.highest_known, row.highest_known or 0))
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
            row.acknowledged_at, row.acknowledged_by = utc_now(), actor.name
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
        known = self._highest_known()
        with self._database.reading() as session:
            is_new = session.get(Installation, THE_ROW) is None
            return None if is_new else self._look(session, known)

    def _first_look(self) -> Look:
        with self._database.transaction() as session:
            return self._look(session)

    def _look(self, session: Session, known: int | None = None) -> Look:
        # Before the counter is read: what others draw after that is known to be above it.
        highest = self._highest_known() if known is None else known
        row, drawn = _row(session)
        identity = identity_of(session, "tenant")
        if row.nonce != self._nonce:
            highest = self._witness.highest(row.nonce)
        if row.suspected_at is not None:
            doubt: str | None = row.reason or OTHER_DATABASE
        else:
            doubt = self._doubt(row, identity, drawn, highest)
        return Look(
            row.nonce,
            identity,
            drawn,
            highest,
            doubt,
            is_stored=row.suspected_at is not None,
        )

    def _doubt(self, row: Installation, identity: str, drawn: int, highest: int) -> str | None:
        if is_other(row.identity, identity):
            return OTHER_DATABASE
        if highest > drawn:
            return NUMBERS_WENT_BACK
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
            "highest_known": look.highest_known,
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
                fields = {"reason": look.doubt, "counter": look.counter}
                fields |= {"highest_known": look.highest_known}
                session.after_commit(lambda: log.error("database.restored", **fields))
        return look

    def _highest_known(self) -> int:
        return self._witness.highest(self._nonce) if self._nonce else 0

    def _load_witness(self, *, again: bool = False) -> None:
        if again or self._nonce is None:
            nonce = self._database.read(Session.scalar, select(Installation.nonce))
            if nonce:
                self._witness.load(nonce)
            self._nonce = nonce


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
