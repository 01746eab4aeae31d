"""Where Milvus departs from what the database wants: what was found, and what is stored of it."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    and_,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from webapp.models.naming import number_in
from webapp.models.observed import ObservedCollection, PartitionDrift
from webapp.models.partition import Partition
from webapp.models.states import DriftKind, PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions.policy import Policy
from webapp.partitions.stuck import stuck

# What a page or an answer shows of one kind; the counts are exact.
SHOWN_AT_MOST = 1_000

# Adopted is information; all others are to be put right, by the sweep or by a human.
DRIFT = frozenset(DriftKind) - {DriftKind.ADOPTED}
# What the drift report keeps; the others follow from our own rows.
STORED = frozenset({DriftKind.MISSING, DriftKind.ORPHAN, DriftKind.RESURRECTED})

# Partitions that were there before they were asked for, seen by no attempt as absent.
# Its index is of ready ones, which a parameter would hide from SQLite.
_ADOPTED = and_(
    Partition.state == literal_column(f"'{PartitionState.READY}'"),
    Partition.seen_absent_at.is_(None),
)
# As the index has them: nobody was seen absent, but PostgreSQL would rather go by number alone.
_BY_NUMBER = (Partition.seen_absent_at, Partition.tenant_id)


@dataclass(frozen=True)
class Finding:
    """One departure. The tenant is None where nobody has the number; rows None: not counted."""

    kind: DriftKind
    tenant_id: int | None
    collection: str
    partition: str
    rows: int | None = None
    note: str | None = None
    # When it was put into the drift report, or began; None for what was found just now.
    since: datetime | None = field(default=None, compare=False)

    @property
    def number(self) -> int | None:
        """The number in the partition's name, which may be nobody's."""
        return number_in(self.partition)


@dataclass(frozen=True)
class Compared:
    """A collection, and when its list was last compared with ours; None: not yet."""

    collection: str
    partitions: int | None
    compared_at: datetime | None
    # Whether rows or findings of ours are in it, so that it is compared again and again.
    is_held: bool = True
    # The collection that the name, an alias, stands for by now, while ours are in another.
    moved_to: str | None = None


@dataclass(frozen=True)
class KnownDrift:
    """All that is known of drift without asking Milvus; of each kind at most `SHOWN_AT_MOST`."""

    counts: dict[DriftKind, int]
    missing: list[Finding]
    orphan: list[Finding]
    resurrected: list[Finding]
    stuck: list[Finding]
    adopted: list[Finding]
    collections: list[Compared]

    @property
    def drift(self) -> bool:
        """True where something is not as it is wanted."""
        return any(self.counts[kind] for kind in DRIFT)


def known_drift(session: Session, policy: Policy, at_most: int = SHOWN_AT_MOST) -> KnownDrift:
    """What the last sweep stored, and what our own rows tell; of each kind so many."""
    counts = drift_counts(session, policy)
    counts[DriftKind.ADOPTED] = _count(session, _ADOPTED)
    stored = _select_stored(session, at_most) if any(counts[kind] for kind in STORED) else []
    return KnownDrift(
        counts=counts,
        missing=[each for each in stored if each.kind == DriftKind.MISSING],
        orphan=[each for each in stored if each.kind == DriftKind.ORPHAN],
        resurrected=[each for each in stored if each.kind == DriftKind.RESURRECTED],
        stuck=stuck_ones(session, policy, at_most) if counts[DriftKind.STUCK] else [],
        adopted=adopted_ones(session, at_most) if counts[DriftKind.ADOPTED] else [],
        collections=_compared(session),
    )


def drift_counts(session: Session, policy: Policy) -> dict[DriftKind, int]:
    """How many of each kind of drift, adopted ones left out; one query over indexes."""
    report = select(PartitionDrift.kind, func.count()).group_by(PartitionDrift.kind)
    late = select(literal(DriftKind.STUCK, PartitionDrift.kind.type), func.count())
    counted = session.execute(union_all(report, late.where(stuck(policy))))
    return dict.fromkeys(DriftKind, 0) | {row[0]: row[1] for row in counted}


def _count(session: Session, which: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(Partition).where(which)) or 0


def _compared(session: Session) -> list[Compared]:
    is_held = or_(
        exists().where(Partition.collection == ObservedCollection.collection),
        exists().where(PartitionDrift.collection == ObservedCollection.collection),
    )
    observed = select(ObservedCollection, is_held.label("is_held"))
    return [
        Compared(row.collection, row.partitions, row.compared_at, is_held, row.moved_to)
        for row, is_held in session.execute(observed.order_by(ObservedCollection.collection))
    ]


def _select_stored(session: Session, at_most: int) -> list[Finding]:
    """Of each kind the first ones by number."""
    kind, number = PartitionDrift.kind, PartitionDrift.number
    place = func.row_number().over(partition_by=kind, order_by=number)
    ranked = select(PartitionDrift, place.label("place")).subquery()
    entry = aliased(PartitionDrift, ranked)
    rows = session.execute(
        select(entry, Tenant.id)
        .join(Tenant, Tenant.id == entry.number, isouter=True)
        .where(ranked.c.place <= at_most)
        .order_by(entry.kind, entry.number)
    )
    return [
        Finding(
            row.kind,
            tenant_id,
            row.collection,
            row.partition,
            row.rows,
            row.note,
            row.first_seen_at,
        )
        for row, tenant_id in rows
    ]


def stuck_ones(session: Session, policy: Policy, limit: int | None = None) -> list[Finding]:
    """Those that should have come to their end, the longest waiting first."""
    late = select(Partition).where(stuck(policy)).order_by(Partition.state_since).limit(limit)
    return [
        _of(row, DriftKind.STUCK, f"{row.state} since {row.state_since:%Y-%m-%d %H:%M:%S} UTC")
        for row in session.scalars(late)
    ]


def adopted_ones(session: Session, limit: int | None = None) -> list[Finding]:
    """Those whose partition was there before it was asked for, by their numbers."""
    there = select(Partition).where(_ADOPTED).order_by(*_BY_NUMBER).limit(limit)
    return [
        _of(row, DriftKind.ADOPTED, "was there before it was asked for")
        for row in session.scalars(there)
    ]


def _of(row: Partition, kind: DriftKind, note: str) -> Finding:
    rows, since = row.adopted_rows, row.state_since
    return Finding(kind, row.tenant_id, row.collection, row.name, rows, note, since)
