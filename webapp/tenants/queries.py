"""What pages, API and commands read: lists, counts, families of failures, headroom."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, false, func, or_, select
from sqlalchemy.orm import Session, aliased, contains_eager

from webapp.settings import Settings
from webapp.tenants.canaries import asked_at
from webapp.tenants.causes import Cause
from webapp.tenants.circuit import MILVUS, CircuitState
from webapp.tenants.errors import InvalidField
from webapp.tenants.models import (
    Circuit,
    ObservedCollection,
    Partition,
    PartitionEvent,
    Tenant,
)
from webapp.tenants.naming import MAX_TENANT_ID, is_storable
from webapp.tenants.records import Departure
from webapp.tenants.states import CanaryOutcome, DepartureOutcome, PartitionState, TenantState

T = TypeVar("T")

GONE = (PartitionState.REMOVING, PartitionState.REMOVED)
BATCH = 500
# More than any number has, and few enough for every integer of the databases.
MAX_DIGITS = 18


@dataclass(frozen=True)
class Page(Generic[T]):
    """A run of items, and the cursor of the next one, or None at the end."""

    items: Sequence[T]
    next_cursor: str | None


@dataclass(frozen=True)
class TenantFilter:
    """Which tenants are meant. Deleted ones only where their status is asked for."""

    status: PartitionState | TenantState | None = None
    q: str = ""
    cause: Cause | None = None


@dataclass(frozen=True)
class FailedSelection:
    """Which failed tenants are meant: these numbers, one cause, both, or (neither) all."""

    tenant_ids: tuple[int, ...] | None = None
    cause: Cause | None = None


@dataclass(frozen=True)
class DepartureRecord:
    """Who asked for a tenant's departure, what was there, and the proof that it is gone."""

    tenant_id: int
    name: str
    slug: str
    collection: str
    partition: str
    status: PartitionState
    requested_at: datetime
    requested_by: str
    request_id: str | None
    remove_at: datetime | None
    rows: int | None
    counted_at: datetime | None
    dropped_at: datetime | None
    confirmed_at: datetime | None
    outcome: DepartureOutcome | None


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


@dataclass(frozen=True)
class Adopted:
    """Tenants whose partitions held rows of before that were taken for theirs, and the rows."""

    tenants: int
    rows: int


@dataclass(frozen=True)
class Family:
    """The tenants that failed for one cause."""

    cause: Cause
    tenants: int
    first_seen: datetime
    last_seen: datetime
    example_tenant_id: int
    example_error: str


def get_tenant(session: Session, tenant_id: int) -> Tenant | None:
    """The tenant with this number, deleted ones too."""
    if not 1 <= tenant_id <= MAX_TENANT_ID:
        return None
    return session.get(Tenant, tenant_id)


def list_tenants(
    session: Session, wanted: TenantFilter, limit: int, cursor: str | None = None
) -> Page[Tenant]:
    """Tenants by ascending number, at most `limit`; the cursor is the last number seen.

    Raises:
        InvalidField: the cursor is not one that this returned.
    """
    statement = select(Tenant).join(Tenant.partition, isouter=True)
    statement = statement.options(contains_eager(Tenant.partition))
    statement = statement.where(*conditions(wanted), Tenant.id > _number(cursor))
    return _page(session, statement.order_by(Tenant.id), limit)


def conditions(wanted: TenantFilter) -> list[ColumnElement[bool]]:
    """The filter as conditions on Tenant joined with its Partition."""
    chosen: list[ColumnElement[bool]] = []
    if isinstance(wanted.status, PartitionState):
        chosen.append(Partition.state == wanted.status)
    if wanted.status == TenantState.DELETED:
        chosen.append(Tenant.deleted_at.is_not(None))
    elif wanted.status not in GONE:
        chosen.append(Tenant.deleted_at.is_(None))
    if wanted.cause is not None:
        chosen.append(Partition.cause == wanted.cause)
    if text := wanted.q.strip():
        chosen.append(_matches(text))
    return chosen


def _matches(text: str) -> ColumnElement[bool]:
    """The number, the partition's name, or a part of the name or the slug."""
    if not is_storable(text):
        return false()
    either = [
        Tenant.name.icontains(text, autoescape=True),
        Tenant.slug.icontains(text, autoescape=True),
    ]
    digits = text.removeprefix("tenant_").removeprefix("#")
    if digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS:
        either.append(Tenant.id == int(digits))
    return or_(*either)


def departure_of(session: Session, tenant_id: int) -> DepartureRecord | None:
    """The record of a tenant's departure, as far as it has come; None where there is none."""
    if not 1 <= tenant_id <= MAX_TENANT_ID:
        return None
    found = session.execute(
        select(Departure, Tenant, Partition)
        .join(Tenant, Tenant.id == Departure.tenant_id)
        .join(Partition, Partition.tenant_id == Departure.tenant_id)
        .where(Departure.tenant_id == tenant_id)
    ).first()
    if found is None:
        return None
    departure, tenant, partition = found
    return DepartureRecord(
        tenant_id=tenant_id,
        name=tenant.name,
        slug=tenant.slug,
        collection=partition.collection,
        partition=partition.name,
        status=partition.state,
        requested_at=departure.requested_at,
        requested_by=departure.requested_by,
        request_id=departure.request_id,
        remove_at=partition.remove_at,
        rows=departure.rows,
        counted_at=departure.counted_at,
        dropped_at=departure.dropped_at,
        confirmed_at=departure.confirmed_at,
        outcome=departure.outcome,
    )


def list_events(
    session: Session, tenant_id: int, limit: int, cursor: str | None = None
) -> Page[PartitionEvent]:
    """A tenant's timeline, newest first.

    Raises:
        InvalidField: the cursor is not one that this returned.
    """
    statement = select(PartitionEvent).where(PartitionEvent.tenant_id == tenant_id)
    if cursor is not None:
        statement = statement.where(PartitionEvent.id < _number(cursor))
    return _page(session, statement.order_by(PartitionEvent.id.desc()), limit)


def _page(session: Session, statement: Select[Any], limit: int) -> Page[Any]:
    found = session.scalars(statement.limit(limit + 1)).all()
    items = found[:limit]
    return Page(items, str(items[-1].id) if len(found) > limit else None)


def _number(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= MAX_DIGITS):
        raise InvalidField("cursor", "must be the next_cursor of an earlier answer")
    return int(cursor)


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
    circuit = CircuitState.of(session.get(Circuit, MILVUS))
    collections = headroom(session, settings)
    return Summary(living, states, causes, living - wished, collections, circuit, held_up)


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


def families(session: Session) -> list[Family]:
    """Failed tenants grouped by cause, the largest group first."""
    failed = Partition.state == PartitionState.FAILED
    groups = (
        select(
            Partition.cause,
            func.count().label("tenants"),
            func.min(Partition.state_since).label("first_seen"),
            func.max(Partition.state_since).label("last_seen"),
            func.max(Partition.tenant_id).label("example_tenant_id"),
        )
        .where(failed)
        .group_by(Partition.cause)
        .subquery()
    )
    example = aliased(Partition)
    rows = session.execute(
        select(groups, func.coalesce(example.error, "").label("example_error"))
        .join(example, example.tenant_id == groups.c.example_tenant_id)
        .order_by(groups.c.tenants.desc(), groups.c.cause)
    )
    return [Family(**row._asdict()) for row in rows]


def failed_ids(session: Session, selection: FailedSelection) -> list[int]:
    """The numbers of the selection's failed tenants, ascending."""
    chosen: list[ColumnElement[bool]] = [Partition.state == PartitionState.FAILED]
    if selection.cause is not None:
        chosen.append(Partition.cause == selection.cause)
    statement = select(Partition.tenant_id).where(*chosen).order_by(Partition.tenant_id)
    if selection.tenant_ids is None:
        return list(session.scalars(statement))
    return [
        number
        for batch in batches(selection.tenant_ids)
        for number in session.scalars(statement.where(Partition.tenant_id.in_(batch)))
    ]


def skipped_states(session: Session, selection: FailedSelection) -> dict[str, int]:
    """How many of the selection's numbers are not failed (for that cause), by what they are."""
    skipped: dict[str, int] = {}
    if selection.tenant_ids is None:
        return skipped
    found = 0
    counted = select(Partition.state, Partition.cause, func.count())
    for batch in batches(selection.tenant_ids):
        grouped = counted.where(Partition.tenant_id.in_(batch))
        for state, cause, count in session.execute(grouped.group_by("state", "cause")):
            found += count
            if state != PartitionState.FAILED:
                skipped[state] = skipped.get(state, 0) + count
            elif selection.cause not in {None, cause}:
                skipped["other_cause"] = skipped.get("other_cause", 0) + count
    if unknown := len(set(selection.tenant_ids)) - found:
        skipped["unknown"] = unknown
    return skipped


def batches(ids: Sequence[int], size: int = BATCH) -> Iterator[Sequence[int]]:
    """The numbers in runs of at most `size`."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
