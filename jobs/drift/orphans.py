"""Orphans in a comparison: those that are kept by decision, and names that are no tenant's."""

from collections.abc import Sequence, Set
from dataclasses import replace

from sqlalchemy import ColumnElement, and_, delete, exists, select
from sqlalchemy.orm import Session

from webapp.db.session import Database
from webapp.models.naming import PROBES, number_in
from webapp.models.observed import PartitionDrift
from webapp.models.partition import Partition
from webapp.models.states import DriftKind
from webapp.partitions.drift import Finding
from webapp.texts import is_storable

DEFAULT_PARTITION = "_default"
# As long as the columns of names.
LONGEST_NAME = 255


def others_among(collection: str, names: Set[str]) -> list[Finding]:
    """The partitions whose names no tenant's can have; without those that no database stores."""
    others = (name for name in sorted(names) if number_in(name) is None)
    return [
        Finding(DriftKind.OTHER, None, collection, name)
        for name in others
        if name not in {DEFAULT_PARTITION, *PROBES}
        if len(name) <= LONGEST_NAME and is_storable(name)
    ]


def as_decided(session: Session, collection: str, findings: Sequence[Finding]) -> list[Finding]:
    """The findings, those that an operator decided to keep as such: no sweep drops them."""
    kept = select(PartitionDrift.partition).where(
        PartitionDrift.collection == collection, PartitionDrift.kind == DriftKind.ACKNOWLEDGED
    )
    acknowledged = frozenset(session.scalars(kept)) if findings else frozenset[str]()
    return [
        replace(each, kind=DriftKind.ACKNOWLEDGED) if each.partition in acknowledged else each
        for each in findings
    ]


def forget_abandoned(database: Database, observed: Sequence[str]) -> int:
    """Delete the findings in collections that are observed no more; returns how many."""
    abandoned = PartitionDrift.collection.not_in(observed)
    return _forget(database, abandoned)


def forget_missing(database: Database, collection: str) -> int:
    """Delete the findings in a collection that was dropped, unless tenants' rows name it.

    Else they would be drift for ever, as nothing can be compared. Returns how many.
    """
    of_tenants = exists().where(Partition.collection == collection)
    return _forget(database, and_(PartitionDrift.collection == collection, ~of_tenants))


def _forget(database: Database, which: ColumnElement[bool]) -> int:
    # Most sweeps find none, and a deletion of no rows would take SQLite's lock for writing.
    with database.reading() as session:
        if not session.scalar(select(exists().where(which))):
            return 0
    gone = delete(PartitionDrift).where(which).returning(PartitionDrift.partition)
    with database.transaction() as session:
        return len(session.execute(gone).all())
