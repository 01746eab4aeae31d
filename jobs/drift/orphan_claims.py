"""Claims on requests about orphans: take one, begin its drop, record its end.

A claim is a request whose `lease_until` is the one that was set. Each UPDATE compares it: a process
that lost the request updates 0 rows.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from webapp.audit import log as audit
from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.models.observed import PartitionDrift
from webapp.models.orphan import OrphanRequest
from webapp.models.states import OrphanAction, OrphanOutcome
from webapp.partitions import events
from webapp.partitions.orphans import UNFINISHED, why_not_droppable
from webapp.partitions.policy import Policy
from webapp.tenants.inserts import NOBODY_ELSE_WRITES, hold_back_others

GONE = (OrphanOutcome.DROPPED, OrphanOutcome.ABSENT)


class OrphanClaims:
    """Claims requests, one at a time, and records how each ends."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._timeout = policy.timeout

    @property
    def lease(self) -> timedelta:
        """Two calls that find the collection, a listing, a count, and 5 s for slow machines."""
        return 4 * self._timeout + timedelta(seconds=5)

    def claim(self) -> OrphanRequest | None:
        """The longest waiting request that no process has; None without one.

        A lease that expired counts once every call that began under it has timed out.
        """
        now = utc_now()
        free = and_(
            UNFINISHED,
            or_(
                OrphanRequest.lease_until.is_(None),
                OrphanRequest.lease_until < now - self._timeout,
            ),
        )
        with self._database.reading() as session:
            waiting = select(OrphanRequest).where(free).order_by(OrphanRequest.asked_at)
            first = session.scalar(waiting.limit(1))
        if first is None:
            return None
        with self._database.transaction() as session:
            return _change(session, first, free, {"lease_until": now + self.lease})

    def begin(
        self, claim: OrphanRequest, rows: int | None, real_collection: str
    ) -> OrphanRequest | str | None:
        """Begin its drop, with the count on record: it survives a crash.

        `real_collection` is the collection's own name; the request may have an alias. Returns the
        claim; the reason where the drop is refused now; None where the claim is lost. Tenants with
        the number that come later are refused until the drop is over.
        """
        now = utc_now()
        began = {
            "rows": rows,
            "counted_at": now,
            "drop_began_at": now,
            "real_collection": real_collection,
            "lease_until": now + self.lease,
        }
        with self._database.transaction() as session:
            hold_back_others(session, NOBODY_ELSE_WRITES)
            if reason := why_not_droppable(session, claim.collection, claim.partition):
                return reason
            return _change(session, claim, _held(claim), began)

    def record_count(self, claim: OrphanRequest, rows: int | None) -> None:
        """Record the rows, unknown ones too, with the finding as well."""
        counted = {"rows": rows, "counted_at": utc_now()}
        with self._database.transaction() as session:
            if _change(session, claim, _held(claim), _ended(OrphanOutcome.COUNTED) | counted):
                finding = update(PartitionDrift).where(*_of(claim)).values(counted)
                session.execute(finding)

    def record_end(
        self, claim: OrphanRequest, outcome: OrphanOutcome, message: str | None = None
    ) -> None:
        """Record the outcome; that of a drop in the audit as well, for the one who requested it."""
        with self._database.transaction() as session:
            ended = _change(session, claim, _held(claim), _ended(outcome, message))
            if ended is None:
                return
            if outcome in GONE:
                session.execute(delete(PartitionDrift).where(*_of(claim)))
            if ended.action == OrphanAction.DROP:
                _audit(session, ended)


def _of(claim: OrphanRequest) -> tuple[ColumnElement[bool], ...]:
    return (
        PartitionDrift.collection == claim.collection,
        PartitionDrift.partition == claim.partition,
    )


def _held(claim: OrphanRequest) -> ColumnElement[bool]:
    return and_(UNFINISHED, OrphanRequest.lease_until == claim.lease_until)


def _ended(outcome: OrphanOutcome, message: str | None = None) -> dict[str, Any]:
    return {"finished_at": utc_now(), "outcome": outcome, "message": message, "lease_until": None}


def _change(
    session: Session,
    request: OrphanRequest,
    which: ColumnElement[bool],
    values: dict[str, Any],
) -> OrphanRequest | None:
    """Change the request where the condition holds now; returns it as it is after that."""
    statement = (
        update(OrphanRequest)
        .where(
            OrphanRequest.collection == request.collection,
            OrphanRequest.partition == request.partition,
            which,
        )
        .values(values)
        .returning(OrphanRequest)
        .execution_options(populate_existing=True)
    )
    return session.scalars(statement).first()


def _audit(session: UnitOfWork, ended: OrphanRequest) -> None:
    place = {"collection": ended.collection, "partition": ended.partition}
    result = {
        "result": ended.outcome,
        "message": ended.message,
        "real_collection": ended.real_collection,
    }
    audit.record(
        session,
        actor=ended.author,
        action="orphan.dropped" if ended.outcome in GONE else "orphan.not_dropped",
        target=f"partition {ended.partition}",
        before={**place, "rows": ended.rows},
        after={name: value for name, value in result.items() if value},
    )
    log = events.log.warning if ended.outcome in GONE else events.log.error
    fields = {**place, "rows": ended.rows, **result}
    session.after_commit(lambda: log(events.ORPHAN_DROP, **fields))
