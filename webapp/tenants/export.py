"""Export of tenants, a batch at a time, by ascending number."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, case, select

from webapp.audit import log as audit
from webapp.db.safe_methods import Note
from webapp.db.session import Database
from webapp.models.audit import Actor
from webapp.models.partition import Partition
from webapp.models.states import TenantState
from webapp.models.tenant import Tenant
from webapp.tenants.queries import TenantFilter, conditions

READ_AT_ONCE = 1_000

COLUMNS: dict[str, Any] = {
    "id": Tenant.id,
    "name": Tenant.name,
    "slug": Tenant.slug,
    "status": case((Tenant.deleted_at.is_(None), TenantState.ACTIVE), else_=TenantState.DELETED),
    "collection": Partition.collection,
    "partition": case((Partition.state.is_not(None), Partition.name)),
    "state": Partition.state,
    "attempts": Partition.attempts,
    "cause": Partition.cause,
    "error": Partition.error,
    "requested_at": Partition.requested_at,
    "last_requested_at": Partition.last_requested_at,
    "waiting_since": Partition.waiting_since,
    "ready_at": Partition.ready_at,
    "verified_at": Partition.verified_at,
    "rows_lost_at": Partition.rows_lost_at,
    "created_at": Tenant.created_at,
    "updated_at": Tenant.updated_at,
}


def export_tenants(
    database: Database, wanted: TenantFilter, *, actor: Actor
) -> Iterator[Sequence[Sequence[Any]]]:
    """Batches of rows whose cells are in the order of `COLUMNS`; audited before the first.

    Holds one batch in memory, and no transaction between two.
    """
    with database.note(Note.EXPORTED) as session:
        audit.record(session, actor=actor, action="export.tenants", after=_as_audited(wanted))
    return _batches(database, wanted)


def _batches(database: Database, wanted: TenantFilter) -> Iterator[Sequence[Sequence[Any]]]:
    statement, last = _statement(wanted), 0
    while True:
        with database.reading() as session:
            rows = session.execute(statement.where(Tenant.id > last)).all()
        if rows:
            yield [_cells(row) for row in rows]
            last = rows[-1].id
        if len(rows) < READ_AT_ONCE:
            return


def _statement(wanted: TenantFilter) -> Select[Any]:
    columns = [column.label(name) for name, column in COLUMNS.items()]
    joined = select(*columns).join(Tenant.partition)
    return joined.where(*conditions(wanted)).order_by(Tenant.id).limit(READ_AT_ONCE)


def _as_audited(wanted: TenantFilter) -> dict[str, object]:
    narrowed = {
        "state": "none" if wanted.not_requested else wanted.state,
        "rows_lost": wanted.rows_lost or None,
        "cause": wanted.cause,
        "search": wanted.q or None,
        "operation": wanted.operation_id,
        "upload": wanted.upload_id,
    }
    return {name: value for name, value in narrowed.items() if value is not None}


def _cells(row: Row[Any]) -> list[Any]:
    return [each.isoformat() if isinstance(each, datetime) else each for each in row]
