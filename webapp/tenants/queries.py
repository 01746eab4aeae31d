"""Reads tenants, their timelines and the records of their removals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session, contains_eager

from webapp.errors import TenantNotFound, cursor_number
from webapp.models.causes import Cause
from webapp.models.csv_import import RowOutcome, UploadRow
from webapp.models.naming import MAX_TENANT_ID
from webapp.models.partition import Departure, Partition, PartitionEvent
from webapp.models.states import GONE, DepartureOutcome, PartitionState, TenantState
from webapp.models.tenant import Tenant
from webapp.models.tenant_search import matches
from webapp.partitions.requests import ROWS_LOST

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Items, and the cursor of the next page, or None at the end."""

    items: Sequence[T]
    next_cursor: str | None


@dataclass(frozen=True)
class TenantFilter:
    """A filter of tenants; deleted ones match only a state of theirs.

    `webapp.models.tenant_search` says what matches `q`.
    """

    state: PartitionState | TenantState | None = None
    q: str = ""
    cause: Cause | None = None
    # The last operation that changed the partition.
    operation_id: int | None = None
    # The import that created the tenant.
    upload_id: int | None = None
    not_requested: bool = False
    # The partition was lost and made again, which no operator has acknowledged.
    rows_lost: bool = False


@dataclass(frozen=True)
class DepartureRecord:
    """Who deleted a tenant, what its partition held, and the proof that it is gone."""

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
    # The own name, not an alias, of the collection that was listed as proof.
    real_collection: str | None


def get_tenant(session: Session, tenant_id: int) -> Tenant | None:
    if not 1 <= tenant_id <= MAX_TENANT_ID:
        return None
    return session.get(Tenant, tenant_id)


def existing_tenant(session: Session, tenant_id: int) -> Tenant:
    """The tenant, deleted ones too; raises TenantNotFound without one."""
    tenant = get_tenant(session, tenant_id)
    if tenant is None:
        raise TenantNotFound(tenant_id)
    return tenant


def list_tenants(
    session: Session, wanted: TenantFilter, limit: int, cursor: str | None = None
) -> Page[Tenant]:
    """Tenants by ascending number, at most `limit`; the cursor is the last number of the page.

    Raises:
        InvalidField: the cursor is not one that this returned.
    """
    statement = select(Tenant).join(Tenant.partition).options(contains_eager(Tenant.partition))
    after = 0 if cursor is None else cursor_number(cursor)
    statement = statement.where(*conditions(wanted), Tenant.id > after)
    return page_of(session, statement.order_by(Tenant.id), limit)


def conditions(wanted: TenantFilter) -> list[ColumnElement[bool]]:
    """The filter as conditions on Tenant joined with its Partition."""
    clauses: list[ColumnElement[bool]] = []
    if isinstance(wanted.state, PartitionState):
        clauses.append(Partition.state == wanted.state)
    if wanted.state == TenantState.DELETED:
        clauses.append(Tenant.deleted_at.is_not(None))
    elif wanted.state not in GONE:
        clauses.append(Tenant.deleted_at.is_(None))
    if wanted.cause is not None:
        clauses.append(Partition.cause == wanted.cause)
    if wanted.operation_id is not None:
        clauses.append(Partition.operation_id == wanted.operation_id)
    if wanted.upload_id is not None:
        created = select(UploadRow.tenant_id).where(
            UploadRow.upload_id == wanted.upload_id, UploadRow.outcome == RowOutcome.CREATED
        )
        clauses.append(Tenant.id.in_(created))
    if wanted.not_requested:
        clauses.append(Partition.state.is_(None))
    if wanted.rows_lost:
        clauses.append(ROWS_LOST)
    if wanted.q.strip():
        clauses.append(matches(wanted.q))
    return clauses


def departure_of(session: Session, tenant_id: int) -> DepartureRecord | None:
    """The record of a tenant's removal, as far as it is; None where there is none."""
    if not 1 <= tenant_id <= MAX_TENANT_ID:
        return None
    columns = select(
        *Departure.__table__.columns,
        *(Tenant.name, Tenant.slug, Partition.collection, Partition.remove_at),
        Partition.name.label("partition"),
        Partition.state.label("status"),
    )
    joined = columns.join_from(Departure, Tenant, Tenant.id == Departure.tenant_id).join(Partition)
    row = session.execute(joined.where(Departure.tenant_id == tenant_id)).first()
    return DepartureRecord(**row._asdict()) if row else None


def list_events(
    session: Session, tenant_id: int, limit: int, cursor: str | None = None
) -> Page[PartitionEvent]:
    """A tenant's timeline, newest first.

    Raises:
        InvalidField: the cursor is not one that this returned.
    """
    statement = select(PartitionEvent).where(PartitionEvent.tenant_id == tenant_id)
    if cursor is not None:
        statement = statement.where(PartitionEvent.id < cursor_number(cursor))
    return page_of(session, statement.order_by(PartitionEvent.id.desc()), limit)


def page_of(session: Session, statement: Select[Any], limit: int) -> Page[Any]:
    """The first `limit` rows of the statement; the cursor is the last one's number."""
    rows = session.scalars(statement.limit(limit + 1)).all()
    return Page(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)
