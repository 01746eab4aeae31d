"""Writing out tenants by the hundred thousand: a run of them at a time, by ascending number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select

from webapp.database import Database
from webapp.tenants import audit
from webapp.tenants.actors import Actor
from webapp.tenants.models import Partition, Tenant
from webapp.tenants.queries import TenantFilter, conditions

READ_AT_ONCE = 1_000

COLUMNS: dict[str, Any] = {
    "id": Tenant.id,
    "name": Tenant.name,
    "slug": Tenant.slug,
    "status": Tenant.deleted_at,
    "collection": Partition.collection,
    "partition": Partition.name,
    "state": Partition.state,
    "attempts": Partition.attempts,
    "cause": Partition.cause,
    "error": Partition.error,
    "requested_at": Partition.requested_at,
    "ready_at": Partition.ready_at,
    "verified_at": Partition.verified_at,
    "created_at": Tenant.created_at,
    "updated_at": Tenant.updated_at,
}


@dataclass(frozen=True)
class Selected:
    """Which tenants are written out."""

    tenants: TenantFilter
    without_wish: bool = False
    operation_id: int | None = None

    def told(self) -> dict[str, object]:
        """What narrows it, for the audit."""
        narrowed = {
            "state": "none" if self.without_wish else self.tenants.status,
            "cause": self.tenants.cause,
            "search": self.tenants.q or None,
            "operation": self.operation_id,
        }
        return {name: value for name, value in narrowed.items() if value is not None}


class Exports:
    """Reads whole lists for somebody, and notes that they did."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tenants(self, selected: Selected, *, actor: Actor) -> Iterator[Sequence[Sequence[Any]]]:
        """Runs of rows whose cells stand in the order of `COLUMNS`.

        Noted before the first is read. Holds one run in memory, and no transaction between two.
        """
        with self._database.transaction() as session:
            deed = audit.write(
                session, actor=actor, action="export.tenants", before={}, after=selected.told()
            )
        audit.announce(deed)
        return self._runs(selected)

    def _runs(self, selected: Selected) -> Iterator[Sequence[Sequence[Any]]]:
        statement, last = _statement(selected), 0
        while True:
            with self._database.reading() as session:
                rows = session.execute(statement.where(Tenant.id > last)).all()
            if rows:
                yield [_cells(row) for row in rows]
                last = rows[-1].id
            if len(rows) < READ_AT_ONCE:
                return


def _statement(selected: Selected) -> Select[Any]:
    which: list[ColumnElement[bool]] = conditions(selected.tenants)
    if selected.without_wish:
        which.append(Partition.tenant_id.is_(None))
    if selected.operation_id is not None:
        which.append(Partition.operation_id == selected.operation_id)
    columns = [column.label(name) for name, column in COLUMNS.items()]
    joined = select(*columns).join(Tenant.partition, isouter=True)
    return joined.where(*which).order_by(Tenant.id).limit(READ_AT_ONCE)


def _cells(row: Row[Any]) -> list[Any]:
    cells = [each.isoformat() if isinstance(each, datetime) else each for each in row]
    cells[3] = "deleted" if row.status else "active"
    return cells
