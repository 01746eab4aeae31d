"""Where Milvus departs from what the database wants: what was found, and what is stored of it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from webapp.tenants.models import ObservedCollection, Partition, PartitionDrift, Tenant
from webapp.tenants.rules import Rules
from webapp.tenants.states import DriftKind, PartitionState
from webapp.tenants.stuck import stuck

# What a page or an answer shows of one kind; the counts are exact.
SHOWN_AT_MOST = 1_000

# Adopted is information; all others are to be put right, by the sweep or by a human.
DRIFT = frozenset(DriftKind) - {DriftKind.ADOPTED}

# Partitions that were there before they were asked for, seen by no attempt as absent.
_ADOPTED = and_(Partition.state == PartitionState.READY, Partition.seen_absent_at.is_(None))


@dataclass(frozen=True)
class Finding:
    """One departure. The tenant is None where nobody has the number; rows None: not counted."""

    kind: DriftKind
    tenant_id: int | None
    collection: str
    partition: str
    rows: int | None = None
    note: str | None = None


@dataclass(frozen=True)
class Compared:
    """A collection, and when its list was last compared with ours; None: not yet."""

    collection: str
    partitions: int | None
    compared_at: datetime | None


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


def known_drift(session: Session, rules: Rules) -> KnownDrift:
    """What the last sweep stored, and what our own rows tell."""
    counted = select(PartitionDrift.kind, func.count().label("n")).group_by(PartitionDrift.kind)
    counts = dict.fromkeys(DriftKind, 0) | {row.kind: row.n for row in session.execute(counted)}
    counts[DriftKind.STUCK] = _count(session, stuck(rules))
    counts[DriftKind.ADOPTED] = _count(session, _ADOPTED)
    observed = session.scalars(select(ObservedCollection).order_by(ObservedCollection.collection))
    return KnownDrift(
        counts=counts,
        missing=_stored(session, DriftKind.MISSING),
        orphan=_stored(session, DriftKind.ORPHAN),
        resurrected=_stored(session, DriftKind.RESURRECTED),
        stuck=stuck_ones(session, rules, SHOWN_AT_MOST),
        adopted=adopted_ones(session, SHOWN_AT_MOST),
        collections=[Compared(row.collection, row.partitions, row.compared_at) for row in observed],
    )


def _count(session: Session, which: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(Partition).where(which)) or 0


def _stored(session: Session, kind: DriftKind) -> list[Finding]:
    rows = session.execute(
        select(PartitionDrift, Tenant.id)
        .join(Tenant, Tenant.id == PartitionDrift.number, isouter=True)
        .where(PartitionDrift.kind == kind)
        .order_by(PartitionDrift.number)
        .limit(SHOWN_AT_MOST)
    )
    return [
        Finding(row.kind, tenant_id, row.collection, row.partition, row.rows, row.note)
        for row, tenant_id in rows
    ]


def stuck_ones(session: Session, rules: Rules, limit: int | None = None) -> list[Finding]:
    """Those that should have come to their end, the longest waiting first."""
    late = select(Partition).where(stuck(rules)).order_by(Partition.state_since).limit(limit)
    return [
        _of(row, DriftKind.STUCK, f"{row.state} since {row.state_since:%Y-%m-%d %H:%M:%S} UTC")
        for row in session.scalars(late)
    ]


def adopted_ones(session: Session, limit: int | None = None) -> list[Finding]:
    """Those whose partition was there before it was asked for, by their numbers."""
    there = select(Partition).where(_ADOPTED).order_by(Partition.tenant_id).limit(limit)
    return [
        _of(row, DriftKind.ADOPTED, "was there before it was asked for")
        for row in session.scalars(there)
    ]


def _of(row: Partition, kind: DriftKind, note: str) -> Finding:
    return Finding(kind, row.tenant_id, row.collection, row.name, row.adopted_rows, note)
