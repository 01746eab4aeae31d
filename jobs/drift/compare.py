"""Compares Milvus's list of partitions with our rows, and makes again what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from jobs.milvus.store import Place
from webapp.db.batching import batches
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.models.naming import MAX_TENANT_ID, number_in, partition_name
from webapp.models.partition import Partition
from webapp.models.states import DriftKind, PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions import events
from webapp.partitions.cas import change
from webapp.partitions.dispatcher import Dispatcher
from webapp.partitions.drift import Finding
from webapp.partitions.pause_state import NOT_PAUSED
from webapp.partitions.policy import Policy
from webapp.partitions.requests import request_missing
from webapp.tenants.numbering import counter, reach

DEFAULT_PARTITION = "_default"

MADE_AGAIN = "Milvus lists it no more; it is made again"
DROPPED_AGAIN = "it came back empty after its removal, and was dropped again"

NOBODYS = "no tenant has this number"
OUT_OF_REACH = (
    "no tenant has this number, which lies too far above ours for later ones to be lifted above it"
)
NO_NUMBER = "no tenant can have this number"


@dataclass(frozen=True)
class Listing:
    """Milvus's answer for a collection, and whose rows were ready before it was asked.

    Who became ready later may be absent from it, so nothing is said of them.
    """

    collection: str
    asked_at: datetime
    ready: frozenset[int]
    names: frozenset[str]
    place: Place | None = None


@dataclass(frozen=True)
class Comparison:
    """What a listing shows: who is missing from it, and what in it nobody wants."""

    listing: Listing
    missing: list[Finding]
    unwanted: list[Finding]
    # Partitions whose names are not of our form, `_default` aside.
    other: int


class Drift:
    """Knows where Milvus departs from our rows; every change is looked at again as it is made."""

    def __init__(self, database: Database, dispatcher: Dispatcher, policy: Policy) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._policy = policy

    def ready(self, collection: str) -> frozenset[int]:
        """The tenants whose partition the collection must hold; ask before Milvus is asked."""
        mine = select(Partition.tenant_id).where(
            Partition.collection == collection, Partition.state == PartitionState.READY
        )
        with self._database.reading() as session:
            return frozenset(session.scalars(mine))

    def compare(self, listing: Listing) -> Comparison:
        """Find the departures; costs no more the more tenants are ready, beyond their names."""
        numbers = {name: number_in(name) for name in listing.names - {DEFAULT_PARTITION}}
        seen = {number for number in numbers.values() if number is not None}
        with self._database.reading() as session:
            unwanted = _find_unwanted(session, listing, sorted(seen - listing.ready))
        missing = [
            Finding(DriftKind.MISSING, number, listing.collection, partition_name(number))
            for number in sorted(listing.ready - seen)
        ]
        return Comparison(listing, missing, unwanted, other=len(numbers) - len(seen))

    def make_again(self, comparison: Comparison) -> int:
        """Make a new request, with all attempts, of each that is missing, in batches.

        Whose partition was proven since Milvus was asked, or who is not ready any more, is
        left alone, and everybody is while provisioning is paused: Milvus may be under repair.
        Returns how many there were.
        """
        numbers = [finding.tenant_id for finding in comparison.missing if finding.tenant_id]
        return sum(self._make_again(comparison.listing, batch) for batch in batches(numbers))

    def _make_again(self, listing: Listing, numbers: Sequence[int]) -> int:
        gone = and_(
            NOT_PAUSED,
            Partition.tenant_id.in_(numbers),
            Partition.collection == listing.collection,
            Partition.state_since < listing.asked_at,
            or_(Partition.verified_at.is_(None), Partition.verified_at < listing.asked_at),
        )
        with self._database.transaction() as session:
            rows = request_missing(session, gone, self._policy.attempts, utc_now())
            entries = [
                events.entry_of(row, events.DRIFT, message=MADE_AGAIN, actor="sweep")
                for row in rows
            ]
            events.record(session, entries)
            self._dispatcher.dispatch_after_commit(session, rows)
        return len(rows)

    def note_dropped(self, finding: Finding) -> None:
        """Tell in the tenant's timeline that an empty partition was dropped once more."""
        with self._database.transaction() as session:
            mine = select(Partition).where(Partition.tenant_id == finding.tenant_id)
            entries = [
                events.entry_of(row, events.DRIFT, message=DROPPED_AGAIN, actor="sweep")
                for row in session.scalars(mine)
            ]
            events.record(session, entries)

    def note_verified(self, listing: Listing) -> None:
        """Note the proof that the listing is for each ready tenant in it."""
        seen = sorted(number for number in listing.ready if partition_name(number) in listing.names)
        for batch in batches(seen):
            proven = and_(
                Partition.tenant_id.in_(batch),
                Partition.collection == listing.collection,
                Partition.state == PartitionState.READY,
                or_(Partition.verified_at.is_(None), Partition.verified_at < listing.asked_at),
            )
            with self._database.transaction() as session:
                change(session, proven, {"verified_at": listing.asked_at})


def _find_unwanted(session: Session, listing: Listing, numbers: Sequence[int]) -> list[Finding]:
    ours = _rows(session, [number for number in numbers if number <= MAX_TENANT_ID])
    lifted_to = max(reach(session), counter(session)) if numbers else 0
    return [
        finding
        for number in numbers
        if (finding := _classify(listing, number, ours.get(number), lifted_to)) is not None
    ]


def _rows(session: Session, numbers: Sequence[int]) -> dict[int, Any]:
    columns = select(
        Tenant.id,
        Partition.collection,
        Partition.state,
        Partition.state_since,
    ).join(Partition)
    return {
        row.id: row
        for batch in batches(numbers)
        for row in session.execute(columns.where(Tenant.id.in_(batch)))
    }


def _classify(listing: Listing, number: int, row: Any, lifted_to: int) -> Finding | None:
    """What a partition is whose tenant was not ready here; None where it may well be there."""
    name = f"tenant_{number}"
    if row is None:
        note = NOBODYS if number <= lifted_to else OUT_OF_REACH
        note = note if number <= MAX_TENANT_ID else NO_NUMBER
        return Finding(DriftKind.ORPHAN, None, listing.collection, name, note=note)
    kind, note = DriftKind.ORPHAN, ""
    if row.state is None:
        # Imported, and not requested yet: its backfill will find it.
        return None
    if row.collection != listing.collection:
        note = f"its tenant's partition is in {row.collection}"
    elif row.state == PartitionState.REMOVED and row.state_since < listing.asked_at:
        kind, note = DriftKind.RESURRECTED, "it was removed, and is there again"
    return Finding(kind, number, listing.collection, name, note=note) if note else None
