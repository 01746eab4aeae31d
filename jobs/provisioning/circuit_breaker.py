"""The circuit breaker: while Milvus does not answer, one attempt at a time probes it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.halts.circuit_state import MILVUS, CircuitState
from webapp.logs import get_logger
from webapp.models.causes import NO_ANSWER, Cause
from webapp.models.control import Circuit
from webapp.partitions.policy import Policy

# Attempts in a row, over all workers, that got no answer.
OPENS_AFTER = 3

# Between two probes. The sweep closes the circuit too, so probes matter only without a sweep.
PROBE_PAUSE = timedelta(seconds=15)

log = get_logger("paratia.circuit")


class CircuitOpen(Exception):
    """Milvus does not answer at present, so this attempt fails without a call."""

    def __init__(self, cause: Cause, opened_at: datetime, message: str) -> None:
        since = opened_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        super().__init__(f"Milvus was not asked: it has not answered since {since} ({message})")
        self.cause = cause


@dataclass(frozen=True)
class Entry:
    """Permission to call Milvus. `probing_until` is set for the probe of an open circuit."""

    at: datetime
    failures: int
    probing_until: datetime | None = None

    @property
    def is_probe(self) -> bool:
        """True for the attempt that probes Milvus while the circuit is open."""
        return self.probing_until is not None


class CircuitBreaker:
    """Decides whether an attempt may call Milvus, and counts attempts without an answer.

    One row is the state for all workers; only this module locks it, without other rows. An
    attempt costs one read by key, and a write only after a failure.
    """

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._probe_lasts = policy.lease

    def _read(self) -> Circuit | None:
        return self._database.read(Session.get, Circuit, MILVUS)

    def enter(self) -> Entry:
        """Permission for an attempt: always while closed, for one probe at a time while open.

        After a crash of a probe, another follows when its lease has passed.

        Raises:
            CircuitOpen: fail this attempt at once.
        """
        now, row = utc_now(), self._read()
        if row is None or row.opened_at is None:
            return Entry(now, row.failures if row else 0)
        until = now + self._probe_lasts
        if row.probe_at and row.probe_at <= now and self._move_probe(row.probe_at, until):
            return Entry(now, row.failures, until)
        raise CircuitOpen(row.cause or Cause.MILVUS_UNREACHABLE, row.opened_at, row.message or "")

    def _move_probe(self, seen: datetime, to: datetime) -> bool:
        """One of the workers that read the same moment moves it, and has the probe."""
        mine = (Circuit.name == MILVUS, Circuit.opened_at.is_not(None), Circuit.probe_at == seen)
        with self._database.transaction() as session:
            moved = update(Circuit).where(*mine).values(probe_at=to).returning(Circuit.name)
            return session.scalar(moved) is not None

    def give_up(self, entry: Entry) -> None:
        """The attempt ended without a result: the next one may probe."""
        if entry.probing_until:
            self._move_probe(entry.probing_until, utc_now())

    def answered(self, entry: Entry) -> None:
        """Milvus answered this attempt, even with an error: the count begins again."""
        if entry.failures:
            self.close()

    def close(self) -> CircuitState:
        """Permit all attempts, since Milvus answers. Returns the earlier state."""
        row = self._read()
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

    def failed(
        self,
        entry: Entry,
        cause: Cause,
        message: str,
        *,
        tenant_id: int | None = None,
        answered_before: bool = False,
    ) -> None:
        """Note that the attempt failed; the third in a row without an answer opens the circuit.

        Where Milvus answered another call of the attempt, the same tenant counts once in a row:
        a creation that always hangs must not stop the other tenants.
        """
        if cause not in NO_ANSWER:
            self.answered(entry)
            return
        if answered_before and entry.is_probe:
            self.close()
            entry = Entry(utc_now(), 0)
        now = utc_now()
        opens = False
        with self._database.transaction() as session:
            row = _locked(session)
            if row.answered_at and row.answered_at > entry.at:
                return  # Milvus has answered since this attempt began.
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
    closed = insert_into(session, Circuit).values(name=MILVUS, failures=0)
    session.execute(closed.on_conflict_do_nothing())
    return session.get_one(Circuit, MILVUS, with_for_update=True)


def _reset(row: Circuit, now: datetime) -> None:
    row.failures, row.last_tenant_id = 0, None
    row.opened_at = row.cause = row.message = row.probe_at = None
    row.answered_at = now


def _age_s(since: datetime | None) -> int | None:
    return round((utc_now() - since).total_seconds()) if since else None
