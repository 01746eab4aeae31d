"""Claims on the rows of deleted tenants, from the end of their grace time on.

A claim is the row as it was when its fence was raised. Every UPDATE compares the fence and the
state: a process that lost its lease, or whose tenant was restored, updates 0 rows.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.halts.brake_state import BRAKED
from webapp.halts.pause_state import NOT_PAUSED
from webapp.halts.restored_state import DROPS_HELD
from webapp.models.causes import Cause
from webapp.models.partition import Departure, Partition
from webapp.models.states import DepartureOutcome, PartitionState
from webapp.partitions import events, repeats
from webapp.partitions.cas import change, change_held
from webapp.partitions.policy import Policy, reopen_pause

REMOVING = PartitionState.REMOVING
GO_ON = and_(NOT_PAUSED, ~BRAKED, ~DROPS_HELD)
GONE_EVENTS = {
    DepartureOutcome.DROPPED: events.DROPPED,
    DepartureOutcome.ABSENT: events.ABSENT,
}


class RemovalClaims:
    """Claims rows for removal, and records how each removal ends."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy

    def _due(self, now: datetime) -> ColumnElement[bool]:
        """The grace time is over, and every call that began under a lease has timed out.

        During a pause no row is due, while a brake is on none in its collection, and after a
        restore of the database none until an operator has acknowledged it.
        """
        return and_(
            GO_ON,
            Partition.state == PartitionState.REMOVING,
            Partition.remove_at <= now,
            or_(
                Partition.lease_until.is_(None),
                Partition.lease_until < now - self._policy.timeout,
            ),
        )

    def due_collections(self) -> list[str]:
        """The collections that hold partitions due for removal."""
        due = select(Partition.collection).where(self._due(utc_now())).distinct()
        with self._database.reading() as session:
            return sorted(session.scalars(due))

    def claim(self, collection: str, limit: int) -> list[Partition]:
        """Claim up to `limit` due rows, the longest due first."""
        now = utc_now()
        due = self._due(now)
        longest = (
            select(Partition.tenant_id)
            .where(due, Partition.collection == collection)
            .order_by(Partition.remove_at)
            .limit(limit)
        )
        with self._database.transaction() as session:
            numbers = session.scalars(longest).all()
            values = {"fence": Partition.fence + 1, "lease_until": now + self._policy.lease}
            return list(change(session, and_(Partition.tenant_id.in_(numbers), due), values))

    def begin(self, counted: Mapping[Partition, int | None]) -> list[Partition]:
        """Begin the drops of claims that still hold; returns their rows.

        None begins in a pause, or while a brake is on in the collection.

        From now on the tenant cannot be restored. The count is on record before the drop, so it
        survives a crash. None, an unknown number, does not replace a known one.
        """
        now, counts = utc_now(), _by_tenant(counted)
        began = {
            "drop_began_at": func.coalesce(Partition.drop_began_at, now),
            "lease_until": now + self._policy.lease,
        }
        with self._database.transaction() as session:
            held = change_held(session, counted, REMOVING, began, GO_ON)
            for record in _records(session, held):
                if (rows := counts[record.tenant_id]) is not None:
                    record.rows, record.counted_at = rows, now
            _add_counts(session, held, events.DROPPING, counts)
        return list(held)

    def record_gone(
        self, removals: Sequence[Partition], dropped: Collection[int], real_collection: str
    ) -> int:
        """Record the proof that partitions are gone; returns how many claims still held.

        `real_collection` is the own name of the listed collection; the rows may have an alias.
        `dropped` has the tenants whose drop Milvus acknowledged just now. While a brake is on, an
        absence proves nothing about the others.
        """
        now = utc_now()
        proves = or_(and_(~BRAKED, ~DROPS_HELD), Partition.drop_began_at.is_not(None))
        with self._database.transaction() as session:
            held = change_held(session, removals, REMOVING, _removed(now), proves)
            outcomes = {row.tenant_id: _outcome(row) for row in held}
            for record in _records(session, held):
                record.outcome = outcomes[record.tenant_id]
                record.confirmed_at, record.real_collection = now, real_collection
                if record.tenant_id in dropped:
                    record.dropped_at = now
            entries = [_entry(row, GONE_EVENTS[outcomes[row.tenant_id]]) for row in held]
            events.record(session, entries)
        return len(held)

    def record_kept(self, counted: Mapping[Partition, int | None]) -> int:
        """Record that partitions stay in Milvus, since their rows may be another tenant's."""
        now, counts = utc_now(), _by_tenant(counted)
        with self._database.transaction() as session:
            held = change_held(session, counted, REMOVING, _removed(now))
            for record in _records(session, held):
                record.outcome = DepartureOutcome.KEPT
                record.rows, record.counted_at = counts[record.tenant_id], now
            _add_counts(session, held, events.KEPT, counts)
        return len(held)

    def record_failure(self, removal: Partition, cause: Cause, message: str) -> None:
        """Record that the drop failed; the next try comes after a pause that grows."""
        later = {
            "lease_until": None,
            "remove_at": utc_now() + reopen_pause(removal.reopens),
            "reopens": Partition.reopens + 1,
            "cause": cause,
            "error": message,
        }
        with self._database.transaction() as session:
            held = change_held(session, [removal], REMOVING, later)
            seen = {"cause": cause, "message": message}
            events.record(session, [_entry(row, events.DROP_FAILED, **seen) for row in held])
            repeats.merge_drops(session, held)

    def hand_back(self, removals: Sequence[Partition]) -> None:
        with self._database.transaction() as session:
            change_held(session, removals, REMOVING, {"lease_until": None})


def _by_tenant(counted: Mapping[Partition, int | None]) -> dict[int, int | None]:
    return {removal.tenant_id: rows for removal, rows in counted.items()}


def _records(session: Session, removals: Sequence[Partition]) -> Sequence[Departure]:
    numbers = [removal.tenant_id for removal in removals]
    return session.scalars(select(Departure).where(Departure.tenant_id.in_(numbers))).all()


def _removed(now: datetime) -> dict[str, Any]:
    return {
        "state": PartitionState.REMOVED,
        "state_since": now,
        "lease_until": None,
        "cause": None,
        "error": None,
    }


def _outcome(removal: Partition) -> DepartureOutcome:
    # A drop may have been begun by a process that died before it recorded the end.
    return DepartureOutcome.DROPPED if removal.drop_began_at else DepartureOutcome.ABSENT


def _add_counts(
    session: UnitOfWork, held: Sequence[Partition], event: str, counts: Mapping[int, int | None]
) -> None:
    entries = [_entry(row, event, message=events.row_count(counts[row.tenant_id])) for row in held]
    events.record(session, entries)


def _entry(removal: Partition, event: str, **fields: Any) -> events.Entry:
    # The row's job is the one that made the partition.
    return events.entry_of(removal, event, job_id=None, **fields)
