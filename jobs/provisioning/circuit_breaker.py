"""The circuit breaker: while Milvus answers nobody, one attempt at a time finds that out."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.logs import get_logger
from webapp.models.causes import Cause
from webapp.models.control import Circuit
from webapp.partitions.circuit import MILVUS, CircuitState
from webapp.partitions.policy import Policy

# Attempts in a row, over all workers, that got no answer.
OPENS_AFTER = 3

# Between two probes. The sweep looks by itself and closes the circuit too, so these matter
# only while nobody sweeps.
PROBE_PAUSE = timedelta(seconds=15)

log = get_logger("paratia.circuit")


class CircuitOpen(Exception):
    """Milvus answers nobody at present, so this attempt fails without a call."""

    def __init__(self, cause: Cause, opened_at: datetime, message: str) -> None:
        since = opened_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        super().__init__(f"Milvus was not asked: it has not answered since {since} ({message})")
        self.cause = cause


@dataclass(frozen=True)
class Entry:
    """Leave to call Milvus. `probing_until` is set for the one probe of an open circuit."""

    at: datetime
    failures: int
    probing_until: datetime | None = None

    @property
    def is_probe(self) -> bool:
        """True when the circuit is open, and this attempt finds out whether it still must be."""
        return self.probing_until is not None


class CircuitBreaker:
    """Says whether an attempt may call Milvus, and learns from each how it ended.

    One row is the state, for all workers; only this module locks it, alone and briefly. An
    attempt costs one read by key; it writes when it fails, or when one before it had.
    """

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._probe_lasts = policy.lease

    def state(self) -> CircuitState:
        """As it is now."""
        with self._database.reading() as session:
            return CircuitState.of(session.get(Circuit, MILVUS))

    def enter(self) -> Entry:
        """Leave for one attempt: always while closed, for one probe at a time while open.

        A probe that never comes back is followed by another when its lease has passed.

        Raises:
            CircuitOpen: fail this attempt at once.
        """
        now = utc_now()
        with self._database.reading() as session:
            row = session.get(Circuit, MILVUS)
        if row is None or row.opened_at is None:
            return Entry(now, row.failures if row else 0)
        until = now + self._probe_lasts
        if row.probe_at and row.probe_at <= now and self._move_probe(row.probe_at, until):
            return Entry(now, row.failures, until)
        raise CircuitOpen(row.cause or Cause.MILVUS_UNREACHABLE, row.opened_at, row.message or "")

    def _move_probe(self, seen: datetime, to: datetime) -> bool:
        """Of all who saw the same moment, one moves it and has the probe."""
        mine = (Circuit.name == MILVUS, Circuit.opened_at.is_not(None), Circuit.probe_at == seen)
        with self._database.transaction() as session:
            moved = session.execute(
                update(Circuit).where(*mine).values(probe_at=to).returning(Circuit.name)
            )
            return moved.first() is not None

    def give_up(self, entry: Entry) -> None:
        """The attempt ended before it learned anything: its probe is the next one's."""
        if entry.probing_until:
            self._move_probe(entry.probing_until, utc_now())

    def answered(self, entry: Entry) -> None:
        """Milvus answered this attempt, be it with a refusal: the count begins anew."""
        if entry.failures:
            self.close()

    def close(self) -> CircuitState:
        """Milvus answers: let all attempts through. Returns the earlier state."""
        with self._database.reading() as session:
            row = session.get(Circuit, MILVUS)
        if row is None or not row.failures:
            return CircuitState.of(row)
        with self._database.transaction() as session:
            row = session.get(Circuit, MILVUS, with_for_update=True)
            before = CircuitState.of(row)
            if row is not None:
                _reset(row, utc_now())
        if before.is_open:
            log.info("milvus.circuit.closed", cause=before.cause, open_s=_age_s(before.since))
        return before

    def no_answer(
        self,
        entry: Entry,
        cause: Cause,
        message: str,
        *,
        tenant_id: int | None = None,
        answered_before: bool = False,
    ) -> None:
        """Count an attempt that ended unreachable or timed out; the third in a row opens.

        Where Milvus answered some other call of the attempt, the same tenant counts once in a
        row: one whose creation always hangs must not shut the door on the others.
        """
        if answered_before and entry.is_probe:
            self.close()
            entry = Entry(utc_now(), 0)
        try:
            self._count(entry, cause, message, tenant_id, answered_before)
        except IntegrityError:
            # Another worker wrote the row, the first of all time, at the same moment.
            self._count(entry, cause, message, tenant_id, answered_before)

    def _count(
        self,
        entry: Entry,
        cause: Cause,
        message: str,
        tenant_id: int | None,
        answered_before: bool,
    ) -> None:
        now = utc_now()
        opens = False
        with self._database.transaction() as session:
            row = _locked(session)
            if row.answered_at and row.answered_at > entry.at:
                return  # What this attempt has met is over: Milvus has answered since it began.
            if not (answered_before and row.last_tenant_id == tenant_id):
                row.failures += 1
            row.last_tenant_id = tenant_id
            if row.opened_at is None and row.failures >= OPENS_AFTER:
                opens = True
                row.opened_at, row.cause, row.message = now, cause, message
                row.probe_at = now + PROBE_PAUSE
            elif entry.is_probe and row.probe_at == entry.probing_until:
                row.probe_at = now + PROBE_PAUSE
        if opens:
            log.warning("milvus.circuit.opened", cause=cause, message=message)


def _locked(session: Session) -> Circuit:
    row = session.get(Circuit, MILVUS, with_for_update=True)
    if row is None:
        row = Circuit(name=MILVUS, failures=0)
        session.add(row)
        session.flush()
    return row


def _reset(row: Circuit, now: datetime) -> None:
    row.failures, row.last_tenant_id = 0, None
    row.opened_at = row.cause = row.message = row.probe_at = None
    row.answered_at = now


def _age_s(since: datetime | None) -> int | None:
    return round((utc_now() - since).total_seconds()) if since else None
