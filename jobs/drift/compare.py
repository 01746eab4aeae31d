"""Compares Milvus's list of partitions with our rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from jobs.drift.orphans import DEFAULT_PARTITION, as_decided, others_among
from jobs.milvus.store import Place
from webapp.db.batching import batches
from webapp.db.session import Database
from webapp.models.naming import MAX_TENANT_ID, number_in, partition_name
from webapp.models.partition import Partition
from webapp.models.states import DriftKind, PartitionState
from webapp.models.tenant import Tenant
from webapp.numbers.counter import counter, reach
from webapp.partitions import events
from webapp.partitions.cas import change
from webapp.partitions.drift import Finding

DROPPED_AGAIN = "it came back empty after its removal, and was dropped again"

NOBODYS = "no tenant has this number"
OUT_OF_REACH = (
    "no tenant has this number, which lies too far above ours for later ones to be lifted above it"
)
NO_NUMBER = "no tenant can have this number"


@dataclass(frozen=True)
class Listing:
    """Milvus's list of a collection, and the tenants that were ready or missing before the call.

    A partition that became ready later may be absent from the list.
    """

    collection: str
    asked_at: datetime
    ready: frozenset[int]
    names: frozenset[str]
    place: Place | None = None
    missing: frozenset[int] = frozenset()
    # The list is that of another collection, which has the name of the one that was known.
    is_replaced: bool = False

    @property
    def proven(self) -> frozenset[int]:
        """The tenants whose partition was proven, and must be in the list."""
        return self.ready | self.missing

    @property
    def gone(self) -> frozenset[int]:
        """Those of them that the list lacks."""
        return self.proven - self._numbers

    @property
    def found(self) -> frozenset[int]:
        """Those that were missing, and are listed again."""
        return self.missing & self._numbers

    @cached_property
    def _numbers(self) -> frozenset[int]:
        return frozenset(number for name in self.names if (number := number_in(name)))


@dataclass(frozen=True)
class Comparison:
    """The missing and the unwanted partitions of a listing."""

    listing: Listing
    missing: list[Finding]
    unwanted: list[Finding]
    # Partitions whose names are not of our form, `_default` aside.
    other: int


def proven_in(database: Database, collection: str) -> tuple[frozenset[int], frozenset[int]]:
    """The tenants whose partition must be in the collection, read before the listing.

    Those that are ready, and those whose partition is known to be missing.
    """
    ready, missing = (
        select(Partition.tenant_id).where(
            Partition.collection == collection, Partition.state == state
        )
        for state in (PartitionState.READY, PartitionState.MISSING)
    )
    with database.reading() as session:
        return frozenset(session.scalars(ready)), frozenset(session.scalars(missing))


def compare(database: Database, listing: Listing) -> Comparison:
    """The differences; reads rows of tenants that are not ready alone."""
    numbers = {name: number_in(name) for name in listing.names - {DEFAULT_PARTITION}}
    listed = {number for number in numbers.values() if number is not None}
    with database.reading() as session:
        unwanted = _find_unwanted(session, listing, sorted(listed - listing.proven))
        unwanted += others_among(listing.collection, listing.names)
        unwanted = as_decided(session, listing.collection, unwanted)
    missing = [
        Finding(DriftKind.MISSING, number, listing.collection, partition_name(number))
        for number in sorted(listing.gone)
    ]
    return Comparison(listing, missing, unwanted, other=len(numbers) - len(listed))


def note_dropped(database: Database, finding: Finding) -> None:
    """Record in the timeline that an empty partition was dropped again."""
    with database.transaction() as session:
        mine = select(Partition).where(Partition.tenant_id == finding.tenant_id)
        rows = session.scalars(mine)
        events.record_each(session, rows, events.DRIFT, message=DROPPED_AGAIN, actor="sweep")


def note_verified(database: Database, listing: Listing) -> None:
    """Store the listing as proof for each ready tenant in it."""
    numbers = sorted(number for number in listing.ready if partition_name(number) in listing.names)
    for batch in batches(numbers):
        which = and_(
            Partition.tenant_id.in_(batch),
            Partition.collection == listing.collection,
            Partition.state == PartitionState.READY,
            or_(Partition.verified_at.is_(None), Partition.verified_at < listing.asked_at),
        )
        with database.transaction() as session:
            change(session, which, {"verified_at": listing.asked_at})


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
    """The finding about a partition without a ready tenant; None where it may be there."""
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
