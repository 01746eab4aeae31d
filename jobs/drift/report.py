"""Stores the drift report: the findings of the last comparison, and since when."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.drift.compare import OUT_OF_REACH, Listing
from webapp.db.batching import batches
from webapp.db.session import Database
from webapp.logs import get_logger
from webapp.models.naming import MAX_TENANT_ID, number_in
from webapp.models.observed import ObservedCollection, PartitionDrift
from webapp.models.states import DriftKind
from webapp.models.tenant import Tenant
from webapp.partitions import events
from webapp.partitions.drift import Finding

# What an operator may have decided to keep.
UNWANTED = (DriftKind.ORPHAN, DriftKind.OTHER, DriftKind.RESURRECTED)
EXAMPLES = 5

log = get_logger("paratia.numbers")


def reported_in(database: Database, collection: str) -> dict[str, Finding]:
    """The stored findings of a collection by the partition's name."""
    with database.reading() as session:
        return {
            name: Finding(
                *(row.kind, row.number, collection, name, row.rows, row.note),
                counted_at=row.counted_at,
            )
            for name, row in _entries(session, collection).items()
        }


def store_report(database: Database, listing: Listing, findings: Sequence[Finding]) -> None:
    """Replace the findings of an earlier listing, not those of a later one; write differences only.

    Missing partitions are no part of it: their own rows have the state.
    """
    with database.transaction() as session:
        row = session.get(ObservedCollection, listing.collection, with_for_update=True)
        if row is None or (row.compared_at and row.compared_at >= listing.asked_at):
            return
        row.compared_at = listing.asked_at
        before = _entries(session, listing.collection)
        by_name = {finding.partition: finding for finding in findings}
        for name in before.keys() - by_name.keys():
            session.delete(before[name])
        fresh = [finding for name, finding in by_name.items() if name not in before]
        fresh = _still_orphaned(session, fresh)
        session.add_all(map(_entry, fresh))
        for name in before.keys() & by_name.keys():
            _correct(before[name], by_name[name])
    _log_new(fresh)


def _entries(session: Session, collection: str) -> dict[str, PartitionDrift]:
    mine = select(PartitionDrift).where(PartitionDrift.collection == collection)
    return {row.partition: row for row in session.scalars(mine)}


def _still_orphaned(session: Session, fresh: Sequence[Finding]) -> list[Finding]:
    """The new findings, without orphans that are a tenant's since the comparison."""
    numbers = [each.number for each in fresh if each.tenant_id is None and each.number]
    storable = [number for number in numbers if number <= MAX_TENANT_ID]
    taken = {
        number
        for batch in batches(storable)
        for number in session.scalars(select(Tenant.id).where(Tenant.id.in_(batch)))
    }
    return [each for each in fresh if each.tenant_id is not None or each.number not in taken]


def _entry(finding: Finding) -> PartitionDrift:
    number = number_in(finding.partition)
    return PartitionDrift(
        collection=finding.collection,
        partition=finding.partition,
        kind=finding.kind,
        number=number if number and number <= MAX_TENANT_ID else None,
        rows=finding.rows,
        counted_at=finding.counted_at,
        note=finding.note,
    )


def _correct(row: PartitionDrift, finding: Finding) -> None:
    """Writes only differences; keeps a count that is not replaced, and a decision to keep it."""
    is_kept = row.kind == DriftKind.ACKNOWLEDGED and finding.kind in UNWANTED
    row.kind, row.note = row.kind if is_kept else finding.kind, finding.note
    if finding.rows is not None:
        row.rows, row.counted_at = finding.rows, finding.counted_at


def _log_new(fresh: Sequence[Finding]) -> None:
    """One line for all findings of a kind."""
    for kind in (DriftKind.ORPHAN, DriftKind.RESURRECTED):
        names = [finding.partition for finding in fresh if finding.kind == kind]
        if names:
            events.log.warning(
                events.DRIFT,
                kind=kind,
                collection=fresh[0].collection,
                partitions=len(names),
                examples=names[:EXAMPLES],
            )
    if too_far := [finding.partition for finding in fresh if finding.note == OUT_OF_REACH]:
        log.warning(
            "tenant.numbers_out_of_reach", partitions=len(too_far), examples=too_far[:EXAMPLES]
        )
