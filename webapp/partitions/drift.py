"""Differences between Milvus and the database, as the drift report has them."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, exists, func, literal, literal_column, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from webapp.models.causes import NOT_THERE
from webapp.models.naming import number_in
from webapp.models.observed import ObservedCollection, PartitionDrift
from webapp.models.partition import Partition
from webapp.models.states import UNSETTLED, DriftKind, PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions.policy import Policy
from webapp.partitions.stuck import stuck

HELD_BACK = "it is not made again before an operator has decided, or a pause has ended"
AGAIN = "it is being made again"

# The most findings of one kind on a page or in an answer; the counts are exact.
SHOWN_AT_MOST = 1_000

# These are information; all others need a repair, by the sweep or by a human.
INFORMATION = frozenset({DriftKind.ADOPTED, DriftKind.ACKNOWLEDGED, DriftKind.OTHER})
DRIFT = frozenset(DriftKind) - INFORMATION
# The kinds that follow from our own rows; the others are in the drift report.
STORED = frozenset(DriftKind) - {DriftKind.MISSING, DriftKind.STUCK, DriftKind.ADOPTED}

# Findings in a collection that does not exist say nothing; they are kept for the case that it comes
# back, with what was decided about them.
IS_THERE = PartitionDrift.collection.not_in(
    select(ObservedCollection.collection).where(ObservedCollection.cause.in_(NOT_THERE))
)

# Partitions that Milvus lost: missing, or being made again.
_MISSING = or_(
    Partition.state == PartitionState.MISSING,
    and_(
        Partition.rows_lost_at.is_not(None),
        Partition.state.in_([*UNSETTLED, PartitionState.FAILED]),
    ),
)

# Partitions that existed before their request: no attempt saw them absent. The index is partial;
# with a parameter in place of the literal, SQLite would not use it.
_ADOPTED = and_(
    Partition.state == literal_column(f"'{PartitionState.READY}'"),
    Partition.seen_absent_at.is_(None),
)
# The order of the index. By the number alone, PostgreSQL would read another index.
_BY_NUMBER = (Partition.seen_absent_at, Partition.tenant_id)


@dataclass(frozen=True)
class Finding:
    """One difference; `tenant_id` is None for a number without a tenant, `rows` if not counted."""

    kind: DriftKind
    tenant_id: int | None
    collection: str
    partition: str
    rows: int | None = None
    note: str | None = None
    # When it was stored or began; None for a finding that is not stored.
    since: datetime | None = field(default=None, compare=False)
    # When the rows were counted.
    counted_at: datetime | None = field(default=None, compare=False)
    # Of an acknowledged one: who decided to keep it, and why.
    decided_by: str | None = field(default=None, compare=False)
    reason: str | None = field(default=None, compare=False)

    @property
    def number(self) -> int | None:
        return number_in(self.partition)


@dataclass(frozen=True)
class Compared:
    """A collection, and when its list was last compared; None for never."""

    collection: str
    partitions: int | None
    compared_at: datetime | None
    # Whether the sweep compares it, because rows or findings of ours are in it.
    is_held: bool = True
    # The collection that the name, an alias, stands for now, while our partitions are in another.
    moved_to: str | None = None


@dataclass(frozen=True)
class KnownDrift:
    """The drift that is known without a call to Milvus; at most `SHOWN_AT_MOST` of a kind."""

    counts: dict[DriftKind, int]
    missing: list[Finding]
    orphan: list[Finding]
    resurrected: list[Finding]
    stuck: list[Finding]
    adopted: list[Finding]
    acknowledged: list[Finding]
    other: list[Finding]
    collections: list[Compared]

    @property
    def drift(self) -> bool:
        """True where a repair is needed."""
        return any(self.counts[kind] for kind in DRIFT)


def known_drift(session: Session, policy: Policy, at_most: int = SHOWN_AT_MOST) -> KnownDrift:
    """The drift report and what follows from our own rows; at most `at_most` of each kind."""
    counts = drift_counts(session, policy)
    adopted = select(func.count()).select_from(Partition).where(_ADOPTED)
    counts[DriftKind.ADOPTED] = session.scalar(adopted) or 0
    stored = _select_stored(session, at_most) if any(counts[kind] for kind in STORED) else []
    return KnownDrift(
        counts=counts,
        **{str(kind): [each for each in stored if each.kind == kind] for kind in STORED},
        missing=missing_ones(session, at_most) if counts[DriftKind.MISSING] else [],
        stuck=stuck_ones(session, policy, at_most) if counts[DriftKind.STUCK] else [],
        adopted=adopted_ones(session, at_most) if counts[DriftKind.ADOPTED] else [],
        collections=_compared(session),
    )


def drift_counts(session: Session, policy: Policy) -> dict[DriftKind, int]:
    """The number of each kind but adopted; one query over indexes."""
    report = select(PartitionDrift.kind, func.count()).where(IS_THERE)
    report = report.group_by(PartitionDrift.kind)
    late = select(literal(DriftKind.STUCK, PartitionDrift.kind.type), func.count())
    gone = select(literal(DriftKind.MISSING, PartitionDrift.kind.type), func.count())
    counted = session.execute(
        union_all(
            report,
            late.where(stuck(policy)),
            gone.select_from(Partition).where(_MISSING),
        )
    )
    return dict.fromkeys(DriftKind, 0) | {row[0]: row[1] for row in counted}


def _compared(session: Session) -> list[Compared]:
    is_held = or_(
        exists().where(Partition.collection == ObservedCollection.collection),
        exists().where(
            PartitionDrift.collection == ObservedCollection.collection,
            PartitionDrift.kind != DriftKind.OTHER,
        ),
    )
    observed = select(ObservedCollection, is_held.label("is_held"))
    return [
        Compared(row.collection, row.partitions, row.compared_at, is_held, row.moved_to)
        for row, is_held in session.execute(observed.order_by(ObservedCollection.collection))
    ]


def _select_stored(session: Session, at_most: int) -> list[Finding]:
    kind, number = PartitionDrift.kind, PartitionDrift.number
    order = (number, PartitionDrift.partition)
    place = func.row_number().over(partition_by=kind, order_by=order)
    ranked = select(PartitionDrift, place.label("place")).where(IS_THERE).subquery()
    entry = aliased(PartitionDrift, ranked)
    rows = session.execute(
        select(entry, Tenant.id)
        .join(Tenant, Tenant.id == entry.number, isouter=True)
        .where(ranked.c.place <= at_most)
        .order_by(entry.kind, entry.number, entry.partition)
    )
    return [
        Finding(
            row.kind,
            tenant_id,
            row.collection,
            row.partition,
            row.rows,
            row.note,
            row.acknowledged_at or row.first_seen_at,
            row.counted_at,
            row.acknowledged_by,
            row.acknowledged_reason,
        )
        for row, tenant_id in rows
    ]


def stuck_ones(session: Session, policy: Policy, limit: int | None = None) -> list[Finding]:
    """Partitions that are stuck, the longest waiting first."""
    lasts_since = func.coalesce(Partition.waiting_since, Partition.state_since)
    statement = select(Partition).where(stuck(policy)).order_by(lasts_since).limit(limit)
    return [_of(row, DriftKind.STUCK, _lasts(row)) for row in session.scalars(statement)]


def _lasts(row: Partition) -> str:
    waits = ", waiting" if row.waiting_since else ""
    return f"{row.state}{waits} since {row.lasts_since:%Y-%m-%d %H:%M:%S} UTC"


def missing_ones(session: Session, limit: int | None = None) -> list[Finding]:
    """Partitions that Milvus lost, by number."""
    statement = select(Partition).where(_MISSING).order_by(Partition.tenant_id).limit(limit)
    return [
        _of(row, DriftKind.MISSING, HELD_BACK if row.state == PartitionState.MISSING else AGAIN)
        for row in session.scalars(statement)
    ]


def adopted_ones(session: Session, limit: int | None = None) -> list[Finding]:
    """Partitions that existed before their request, by number."""
    statement = select(Partition).where(_ADOPTED).order_by(*_BY_NUMBER).limit(limit)
    return [
        _of(row, DriftKind.ADOPTED, "was there before it was asked for")
        for row in session.scalars(statement)
    ]


def _of(row: Partition, kind: DriftKind, note: str) -> Finding:
    rows, since = row.adopted_rows, row.lasts_since
    return Finding(kind, row.tenant_id, row.collection, row.name, rows, note, since)
