"""Compares Milvus's list of partitions with our rows, and requests missing ones again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from jobs.drift.orphans import DEFAULT_PARTITION, as_decided, others_among
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
from webapp.partitions.drift import Finding
from webapp.partitions.pause_state import NOT_PAUSED
from webapp.partitions.requests import request_again
from webapp.services import Services
from webapp.tenants.numbering import counter, reach

MADE_AGAIN = "Milvus lists it no more; it is made again"
DROPPED_AGAIN = "it came back empty after its removal, and was dropped again"

NOBODYS = "no tenant has this number"
OUT_OF_REACH = (
    "no tenant has this number, which lies too far above ours for later ones to be lifted above it"
)
NO_NUMBER = "no tenant can have this number"


@dataclass(frozen=True)
class Listing:
    """Milvus's list of a collection, and the tenants that were ready before the call.

    A partition that became ready later may be absent from the list.
    """

    collection: str
    asked_at: datetime
    ready: frozenset[int]
    names: frozenset[str]
    place: Place | None = None


@dataclass(frozen=True)
class Comparison:
    """The missing and the unwanted partitions of a listing."""

    listing: Listing
    missing: list[Finding]
    unwanted: list[Finding]
    # Partitions whose names are not of our form, `_default` aside.
    other: int


def ready_in(database: Database, collection: str) -> frozenset[int]:
    """The tenants whose partition must be in the collection; read before the listing."""
    mine = select(Partition.tenant_id).where(
        Partition.collection == collection, Partition.state == PartitionState.READY
    )
    with database.reading() as session:
        return frozenset(session.scalars(mine))


def compare(database: Database, listing: Listing) -> Comparison:
    """The differences; reads rows of tenants that are not ready alone."""
    numbers = {name: number_in(name) for name in listing.names - {DEFAULT_PARTITION}}
    listed = {number for number in numbers.values() if number is not None}
    with database.reading() as session:
        unwanted = _find_unwanted(session, listing, sorted(listed - listing.ready))
        unwanted += others_among(listing.collection, listing.names)
        unwanted = as_decided(session, listing.collection, unwanted)
    missing = [
        Finding(DriftKind.MISSING, number, listing.collection, partition_name(number))
        for number in sorted(listing.ready - listed)
    ]
    return Comparison(listing, missing, unwanted, other=len(numbers) - len(listed))


def make_again(services: Services, comparison: Comparison) -> int:
    """Request each missing partition again, with all attempts, in batches; returns how many.

    None during a pause, when Milvus may be under repair, and none that was proven after the
    listing or is not ready any more.
    """
    numbers = [finding.tenant_id for finding in comparison.missing if finding.tenant_id]
    return sum(_make_again(services, comparison.listing, batch) for batch in batches(numbers))


def _make_again(services: Services, listing: Listing, numbers: Sequence[int]) -> int:
    missing = and_(
        NOT_PAUSED,
        Partition.tenant_id.in_(numbers),
        Partition.collection == listing.collection,
        Partition.state_since < listing.asked_at,
        or_(Partition.verified_at.is_(None), Partition.verified_at < listing.asked_at),
    )
    with services.database.transaction() as session:
        ready, attempts = PartitionState.READY, services.policy.attempts
        rows = request_again(session, missing, attempts, utc_now(), state=ready)
        events.record_each(session, rows, events.DRIFT, message=MADE_AGAIN, actor="sweep")
        services.dispatcher.dispatch_after_commit(session, rows)
    return len(rows)


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
