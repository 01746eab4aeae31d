"""What the reconciler does to the rows of deleted tenants, from the end of their grace time on.

Every change is a conditional UPDATE on the fence: whoever was frozen and overtaken, or whose
tenant was called back, changes nothing any more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session

from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.partition import Departure, Partition
from webapp.models.states import DepartureOutcome, PartitionState
from webapp.partitions import events
from webapp.partitions.cas import change
from webapp.partitions.pause_state import NOT_PAUSED, is_paused
from webapp.partitions.policy import Policy, reopen_pause

GONE_EVENTS = {
    DepartureOutcome.DROPPED: events.DROPPED,
    DepartureOutcome.ABSENT: events.ABSENT,
}


@dataclass(frozen=True)
class Removal:
    """The right to drop one deleted tenant's partition, until somebody overtakes."""

    tenant_id: int
    generation: int
    fence: int
    collection: str
    partition: str
    # Whether rows in the partition are known to be this tenant's own.
    owns_rows: bool
    # Whether a drop was begun, now or by somebody who did not live to record its end.
    has_begun: bool
    failures: int
    request_id: str | None

    @classmethod
    def of(cls, row: Partition) -> "Removal":
        """The right that holds on this row now."""
        return cls(
            tenant_id=row.tenant_id,
            generation=row.generation,
            fence=row.fence,
            collection=row.collection,
            partition=row.name,
            owns_rows=row.seen_absent_at is not None or row.ready_at is not None,
            has_begun=row.drop_began_at is not None,
            failures=row.reopens,
            request_id=row.request_id,
        )


class RemovalClaims:
    """Claims and records for lists of removals."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy

    def _due(self, now: datetime) -> ColumnElement[bool]:
        """Whose grace time is over, and whom no call that was begun under a lease can reach.

        Nobody's is while provisioning is paused.
        """
        return and_(
            NOT_PAUSED,
            Partition.state == PartitionState.REMOVING,
            Partition.remove_at <= now,
            or_(
                Partition.lease_until.is_(None),
                Partition.lease_until < now - self._policy.timeout,
            ),
        )

    def due_collections(self) -> list[str]:
        """The collections that hold partitions due to go."""
        due = select(Partition.collection).where(self._due(utc_now())).distinct()
        with self._database.reading() as session:
            return sorted(session.scalars(due))

    def claim(self, collection: str, limit: int) -> list[Removal]:
        """Take up to `limit` that are due and in nobody's hand, the longest due first."""
        now = utc_now()
        due = self._due(now)
        longest = (
            select(Partition.tenant_id)
            .where(due, Partition.collection == collection)
            .order_by(Partition.remove_at)
            .limit(limit)
        )
        with self._database.transaction() as session:
            chosen = session.scalars(longest).all()
            taken = {"fence": Partition.fence + 1, "lease_until": now + self._policy.lease}
            rows = change(session, and_(Partition.tenant_id.in_(chosen), due), taken)
            return [Removal.of(row) for row in rows]

    def begin(self, counted: Mapping[Removal, int | None]) -> list[Removal]:
        """Pass the point of no return with those still held; returns them.

        What was counted is on record before anything is dropped, whoever dies then. None, an
        unknown number, does not replace one that was known. Nobody passes it during a pause.
        """
        now = utc_now()
        began = {
            "drop_began_at": func.coalesce(Partition.drop_began_at, now),
            "lease_until": now + self._policy.lease,
        }
        with self._database.transaction() as session:
            held = [] if is_paused(session) else _change(session, counted, began)
            records = _records(session, held)
            for removal in held:
                if (rows := counted[removal]) is not None and removal.tenant_id in records:
                    records[removal.tenant_id].rows = rows
                    records[removal.tenant_id].counted_at = now
            entries = [_entry(each, events.DROPPING, message=_rows(counted[each])) for each in held]
            events.record(session, entries)
        return [replace(removal, has_begun=True) for removal in held]

    def record_gone(
        self, removals: Sequence[Removal], dropped: Collection[int], real_collection: str
    ) -> int:
        """Record the proof that their partitions are gone; returns how many were still held.

        The proof is of the collection whose own name this is; the rows may have an alias of it.
        `dropped` has the tenants whose drop Milvus acknowledged just now.
        """
        now = utc_now()
        with self._database.transaction() as session:
            held = _change(session, removals, _removed(now))
            records = _records(session, held)
            for removal in held:
                if record := records.get(removal.tenant_id):
                    record.outcome = _outcome(removal)
                    record.confirmed_at = now
                    record.real_collection = real_collection
                    if removal.tenant_id in dropped:
                        record.dropped_at = now
            entries = [_entry(removal, GONE_EVENTS[_outcome(removal)]) for removal in held]
            events.record(session, entries)
        return len(held)

    def record_kept(self, counted: Mapping[Removal, int | None]) -> int:
        """Record that these were left in Milvus, since their rows may be somebody else's."""
        now = utc_now()
        with self._database.transaction() as session:
            held = _change(session, counted, _removed(now))
            records = _records(session, held)
            for removal in held:
                if record := records.get(removal.tenant_id):
                    record.outcome = DepartureOutcome.KEPT
                    record.rows = counted[removal]
                    record.counted_at = now
            entries = [_entry(each, events.KEPT, message=_rows(counted[each])) for each in held]
            events.record(session, entries)
        return len(held)

    def record_failure(self, removal: Removal, cause: Cause, message: str) -> None:
        """Record that the drop failed; the next try comes after a pause that grows."""
        later = {
            "lease_until": None,
            "remove_at": utc_now() + reopen_pause(removal.failures),
            "reopens": Partition.reopens + 1,
            "cause": cause,
            "error": message,
        }
        with self._database.transaction() as session:
            held = _change(session, [removal], later)
            entries = [
                _entry(each, events.DROP_FAILED, cause=cause, message=message) for each in held
            ]
            events.record(session, entries)

    def hand_back(self, removals: Sequence[Removal]) -> None:
        """Give up the rights as if they had never been."""
        with self._database.transaction() as session:
            _change(session, removals, {"lease_until": None})


def _change(
    session: Session, removals: Iterable[Removal], values: dict[str, Any]
) -> Sequence[Removal]:
    """Update the rows whose right still holds; returns whose they are."""
    by_number = {removal.tenant_id: removal for removal in removals}
    mine = and_(
        tuple_(Partition.tenant_id, Partition.fence).in_(
            [(removal.tenant_id, removal.fence) for removal in by_number.values()]
        ),
        Partition.state == PartitionState.REMOVING,
    )
    rows = change(session, mine, values) if by_number else []
    return [by_number[row.tenant_id] for row in rows]


def _records(session: Session, removals: Sequence[Removal]) -> dict[int, Departure]:
    numbers = [removal.tenant_id for removal in removals]
    found = session.scalars(select(Departure).where(Departure.tenant_id.in_(numbers)))
    return {record.tenant_id: record for record in found}


def _removed(now: datetime) -> dict[str, Any]:
    return {
        "state": PartitionState.REMOVED,
        "state_since": now,
        "lease_until": None,
        "cause": None,
        "error": None,
    }


def _outcome(removal: Removal) -> DepartureOutcome:
    return DepartureOutcome.DROPPED if removal.has_begun else DepartureOutcome.ABSENT


def _rows(count: int | None) -> str:
    if count is None:
        return "an unknown number of rows"
    return "1 row" if count == 1 else f"{count} rows"


def _entry(removal: Removal, event: str, **fields: Any) -> events.Entry:
    return events.Entry(
        event=event,
        tenant_id=removal.tenant_id,
        collection=removal.collection,
        partition=removal.partition,
        generation=removal.generation,
        request_id=removal.request_id,
        **fields,
    )
