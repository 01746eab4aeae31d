"""The summary of the overview and the API: counts, and the headroom of collections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Row,
    Select,
    String,
    and_,
    func,
    literal,
    null,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import Session

from webapp.db.types import UtcDateTime
from webapp.halts.brake_state import BrakeState
from webapp.halts.circuit_state import MILVUS, CircuitState
from webapp.halts.pause_state import PROVISIONING, PauseState
from webapp.halts.restored_state import RestoredState
from webapp.models.causes import NOT_THERE, Cause
from webapp.models.control import Brake, Circuit, Installation, Pause
from webapp.models.observed import ObservedCollection
from webapp.models.partition import Partition
from webapp.models.states import GONE, UNSETTLED, WAITING, CanaryOutcome, PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions.isolation_checks import asked_at
from webapp.partitions.requests import NOT_REQUESTED, ROWS_LOST
from webapp.settings import Settings

# How many rows of a kind (a state, or all of a table) have a cause.
Counted = Mapping[tuple[str, str | None], int]
# Since when the longest waiting tenant of each state waits.
Longest = Mapping[PartitionState, datetime]


@dataclass(frozen=True)
class LastCanary:
    """The last check of the isolation between partitions."""

    at: datetime
    outcome: CanaryOutcome
    message: str
    # The first of the checks in a row that could not be made; None where the last one was.
    not_run_since: datetime | None = None


@dataclass(frozen=True)
class Headroom:
    """How full a collection was at the last sweep; None is unknown, never zero."""

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
    not_requested: int
    collections: list[Headroom]
    circuit: CircuitState
    # Living tenants whose partition was lost and made again, until an operator acknowledges it.
    rows_lost: int = 0
    # Deleted tenants whose drop failed and is tried again.
    held_up: int = 0
    last_pause: PauseState | None = None
    longest: Longest = field(default_factory=dict)
    # Of those on their way: they failed since the need began, and are tried again.
    trying_again: int = 0
    # The last brake of each collection that had one.
    last_brakes: Sequence[BrakeState] = ()
    # The last restore of the database that was recognized.
    restored: RestoredState | None = None

    @property
    def waiting_since(self) -> datetime | None:
        """Since when the tenant waits that has waited longest, failed or not; None for none."""
        return min(self.longest.values(), default=None)

    @property
    def on_their_way_since(self) -> datetime | None:
        """The same of those that have not failed."""
        return min((at for state, at in self.longest.items() if state in UNSETTLED), default=None)

    @property
    def brakes(self) -> Sequence[BrakeState]:
        """The brakes that are on, the oldest first."""
        return [brake for brake in self.last_brakes if brake.is_on]

    @property
    def paused(self) -> PauseState | None:
        """The present pause of provisioning, or None."""
        return self.last_pause if self.last_pause and self.last_pause.lasts else None


@dataclass(frozen=True)
class Adopted:
    """The number of tenants that adopted pre-existing rows, and of the rows."""

    tenants: int
    rows: int


def summary(session: Session, settings: Settings) -> Summary:
    """The summary; three queries, whose cost grows with the tenants that are not ready."""
    rows = session.execute(_COUNTS).all()
    counted = {(row.kind, row.cause): row.partitions for row in rows}
    states = {
        state.value: sum(count for (kind, _), count in counted.items() if kind == state)
        for state in PartitionState
    }
    # Most tenants are ready: their number is the rest, so that they are not counted one by one.
    not_requested = counted[_NOT_REQUESTED, None]
    partitions = counted[_TENANTS, None] - not_requested
    states[PartitionState.READY] = partitions - sum(states.values())
    requested = sum(count for state, count in states.items() if state not in GONE)
    circuit, pause, installation, brakes = _switches(session)
    return Summary(
        tenants=requested + not_requested,
        states=states,
        causes=_by_cause(counted, PartitionState.FAILED),
        not_requested=not_requested,
        collections=headroom(session, settings),
        circuit=CircuitState.of(circuit),
        rows_lost=counted[_ROWS_LOST, None],
        held_up=sum(_by_cause(counted, PartitionState.REMOVING).values()),
        last_pause=PauseState.of(pause) if pause else None,
        last_brakes=brakes,
        restored=RestoredState.of(installation),
        longest=_longest(rows),
        trying_again=counted[_TRYING_AGAIN, None],
    )


def _longest(rows: Sequence[Row[Any]]) -> Longest:
    longest: dict[PartitionState, datetime] = {}
    for row in rows:
        if row.kind in WAITING and row.waiting_since is not None:
            state = PartitionState(row.kind)
            longest[state] = min(longest.get(state, row.waiting_since), row.waiting_since)
    return longest


def _switches(
    session: Session,
) -> tuple[Circuit | None, Pause | None, Installation | None, list[BrakeState]]:
    """Three rows that may be missing, and the few brakes, in one query."""
    one = select(literal(1).label("row")).subquery()
    all_of_them = (
        select(Circuit, Pause, Installation, Brake)
        .select_from(one)
        .join(Circuit, Circuit.name == MILVUS, isouter=True)
        .join(Pause, Pause.name == PROVISIONING, isouter=True)
        .join(Installation, true(), isouter=True)
        .join(Brake, true(), isouter=True)
        .order_by(Brake.since, Brake.collection)
    )
    rows = session.execute(all_of_them).all()
    brakes = [BrakeState.of(brake) for *_, brake in rows if brake is not None]
    circuit, pause, installation, _brake = rows[0]
    return circuit, pause, installation, brakes


def _by_cause(counted: Counted, state: PartitionState) -> dict[str, int]:
    return {cause: count for (kind, cause), count in counted.items() if kind == state and cause}


def _how_many(kind: str, counted: Select[int]) -> Select[Any]:
    never = null().cast(UtcDateTime)
    return select(literal(kind, String), null().cast(String), counted.scalar_subquery(), never)


_TENANTS, _NOT_REQUESTED, _TRYING_AGAIN = "all tenants", "not requested", "trying again"
_ROWS_LOST = "rows lost"
_UNREADY = (
    select(
        type_coerce(Partition.state, String).label("kind"),
        type_coerce(Partition.cause, String).label("cause"),
        func.count().label("partitions"),
        func.min(Partition.waiting_since).label("waiting_since"),
    )
    .where(Partition.state.in_([each for each in PartitionState if each != PartitionState.READY]))
    .group_by(Partition.state, Partition.cause)
)
# A failed row alone is requested again. The index of what waits covers the condition.
TRIED_AGAIN = and_(
    Partition.state.in_(UNSETTLED),
    Partition.waiting_since.is_not(None),
    Partition.last_requested_at > Partition.requested_at,
)
# One statement, so that all is of one moment.
_COUNTS: CompoundSelect[Any] = union_all(
    _UNREADY,
    # Without a condition, SQLite counts rows without reading them.
    _how_many(_TENANTS, select(func.count()).select_from(Tenant)),
    _how_many(_NOT_REQUESTED, select(func.count()).select_from(Partition).where(NOT_REQUESTED)),
    _how_many(_TRYING_AGAIN, select(func.count()).select_from(Partition).where(TRIED_AGAIN)),
    _how_many(_ROWS_LOST, select(func.count()).select_from(Partition).where(ROWS_LOST)),
)


def headroom(session: Session, settings: Settings) -> list[Headroom]:
    """Each observed collection, the one in use first, with what is left of its limit."""
    observed = {row.collection: row for row in session.scalars(select(ObservedCollection))}
    in_use = settings.milvus_collection
    names = [in_use, *sorted(name for name in observed if name != in_use)]
    return [_headroom(name, observed.get(name), settings.milvus_max_partitions) for name in names]


def _headroom(name: str, seen: ObservedCollection | None, limit: int) -> Headroom:
    if seen is None:
        return Headroom(name, limit)
    used = None if seen.cause in NOT_THERE else seen.partitions
    return Headroom(
        collection=name,
        limit=limit,
        used=used,
        left=None if used is None else max(limit - used, 0),
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
    message, not_run_since = seen.canary_message or "", seen.canary_not_run_since
    return LastCanary(seen.canary_at, seen.canary_outcome, message, not_run_since)


def adopted(session: Session, *which: ColumnElement[bool]) -> Adopted:
    """How many tenants adopted rows, and how many rows."""
    counted = select(
        func.count(Partition.adopted_rows), func.coalesce(func.sum(Partition.adopted_rows), 0)
    )
    tenants, rows = session.execute(counted.where(*which)).one()
    return Adopted(tenants, int(rows or 0))
