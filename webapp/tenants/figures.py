"""What the overview and the API's summary show: counts, and how full collections are."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.orm import Session

from webapp.settings import Settings
from webapp.tenants.canaries import asked_at
from webapp.tenants.causes import Cause
from webapp.tenants.circuit import MILVUS, CircuitState
from webapp.tenants.models import (
    Circuit,
    ObservedCollection,
    Partition,
    Pause,
    Tenant,
)
from webapp.tenants.paused import PROVISIONING, PauseState
from webapp.tenants.queries import GONE
from webapp.tenants.states import CanaryOutcome, PartitionState


@dataclass(frozen=True)
class LastCanary:
    """What the last check of the isolation between partitions showed."""

    at: datetime
    outcome: CanaryOutcome
    message: str


@dataclass(frozen=True)
class Headroom:
    """How full a collection is, as the sweep last saw it; None is unknown, never zero."""

    collection: str
    limit: int
    used: int | None = None
    left: int | None = None
    observed_at: datetime | None = None
    answered_at: datetime | None = None
    cause: Cause | None = None
    error: str | None = None
    latency_ms: int | None = None
    compared_at: datetime | None = None
    canary: LastCanary | None = None
    canary_due_at: datetime | None = None
    canary_asked_at: datetime | None = None


@dataclass(frozen=True)
class Summary:
    """Counts of living tenants by state and cause, removed ones by state, and headroom."""

    tenants: int
    states: dict[str, int]
    causes: dict[str, int]
    without_wish: int
    collections: list[Headroom]
    circuit: CircuitState
    # Deleted tenants whose drop failed, and is tried again and again.
    held_up: int = 0
    last_pause: PauseState | None = None

    @property
    def paused(self) -> PauseState | None:
        """The pause of provisioning that lasts now, if one does."""
        return self.last_pause if self.last_pause and self.last_pause.lasts else None


@dataclass(frozen=True)
class Adopted:
    """Tenants whose partitions held rows of before that were taken for theirs, and the rows."""

    tenants: int
    rows: int


def summary(session: Session, settings: Settings) -> Summary:
    """What the overview shows; four queries, whatever the number of tenants."""
    states = {state.value: 0 for state in PartitionState}
    causes: dict[str, int] = {}
    held_up = 0
    counts = select(Partition.state, Partition.cause, func.count()).group_by(
        Partition.state, Partition.cause
    )
    for state, cause, count in session.execute(counts):
        states[state] += count
        if state == PartitionState.FAILED and cause:
            causes[cause] = causes.get(cause, 0) + count
        if state == PartitionState.REMOVING and cause:
            held_up += count
    living = session.scalar(select(func.count()).where(Tenant.deleted_at.is_(None))) or 0
    wished = sum(count for state, count in states.items() if state not in GONE)
    circuit, pause = _switches(session)
    collections = headroom(session, settings)
    return Summary(
        tenants=living,
        states=states,
        causes=causes,
        without_wish=living - wished,
        collections=collections,
        circuit=CircuitState.of(circuit),
        held_up=held_up,
        last_pause=PauseState.of(pause) if pause else None,
    )


def _switches(session: Session) -> tuple[Circuit | None, Pause | None]:
    """What stands in the way of attempts: two rows that may not be there, in one query."""
    one = select(literal(1).label("row")).subquery()
    both = (
        select(Circuit, Pause)
        .select_from(one)
        .join(Circuit, Circuit.name == MILVUS, isouter=True)
        .join(Pause, Pause.name == PROVISIONING, isouter=True)
    )
    circuit, pause = session.execute(both).one()
    return circuit, pause


def headroom(session: Session, settings: Settings) -> list[Headroom]:
    """Each observed collection, the one in use first, with what is left of its limit."""
    observed = {row.collection: row for row in session.scalars(select(ObservedCollection))}
    in_use = settings.milvus_collection
    names = [in_use, *sorted(name for name in observed if name != in_use)]
    return [_headroom(name, observed.get(name), settings.milvus_max_partitions) for name in names]


def _headroom(name: str, seen: ObservedCollection | None, limit: int) -> Headroom:
    if seen is None:
        return Headroom(name, limit)
    left = None if seen.partitions is None else max(limit - seen.partitions, 0)
    return Headroom(
        collection=name,
        limit=limit,
        used=seen.partitions,
        left=left,
        observed_at=seen.observed_at,
        answered_at=seen.answered_at,
        cause=seen.cause,
        error=seen.error,
        latency_ms=seen.latency_ms,
        compared_at=seen.compared_at,
        canary=_last_canary(seen),
        canary_due_at=seen.canary_due_at,
        canary_asked_at=asked_at(seen),
    )


def _last_canary(seen: ObservedCollection) -> LastCanary | None:
    if seen.canary_at is None or seen.canary_outcome is None:
        return None
    return LastCanary(seen.canary_at, seen.canary_outcome, seen.canary_message or "")


def adopted(session: Session, *which: ColumnElement[bool]) -> Adopted:
    """How many tenants adopted rows, and how many in all."""
    counted = select(
        func.count(Partition.adopted_rows), func.coalesce(func.sum(Partition.adopted_rows), 0)
    )
    tenants, rows = session.execute(counted.where(*which)).one()
    return Adopted(tenants, int(rows or 0))
