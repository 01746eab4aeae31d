"""The kinds of entries that are pruned: which of them are old, and how they are deleted."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, delete, func, inspect, not_, or_, select
from sqlalchemy.orm import Session, aliased

from jobs.pruning.archive import Archived
from webapp.audit.permits import permitted
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.models.audit import AuditEntry
from webapp.models.base import Model
from webapp.models.csv_import import Upload, UploadRow, UploadState
from webapp.models.operation import Operation, OperationState
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.retention import PrunedTimeline, Retention
from webapp.models.states import PartitionState
from webapp.partitions import events

READY = (events.CREATED, events.ALREADY_EXISTS)
# The events that begin a request, but for those of the sweep.
REQUESTS = events.OPENINGS - {events.REOPENED}

Entry = PartitionEvent
Other = aliased(PartitionEvent)


@dataclass(frozen=True, eq=False)
class Kind:
    """Entries of one table, which has ascending numbers."""

    table: Any
    # When the entry began, which ascends with the numbers, and when it was over.
    began: Any
    ended: Any
    # Whether an entry of before the cut-off is not needed any more.
    unneeded: ColumnElement[bool]
    delete: Callable[[Session, Retention, Sequence[int]], None]
    archived: Callable[[Session, Any], dict[str, Any]]
    # How many are looked at for one transaction: a sign-up on SQLite waits for its end.
    at_once: int = 200

    @property
    def name(self) -> str:
        return str(self.table.__tablename__)

    def old(self, cut_off: datetime) -> ColumnElement[bool]:
        """The entries to prune. One that is to be pruned stays so."""
        return and_(self.ended < cut_off, self.unneeded)

    def lock(self, session: Session, numbers: Sequence[int]) -> Sequence[int]:
        """Those of the entries that are still there, and that no other transaction has locked."""
        there = select(self.table.id).where(self.table.id.in_(numbers)).order_by(self.table.id)
        return session.scalars(there.with_for_update(skip_locked=True)).all()

    def for_archive(self, session: Session, numbers: Sequence[int]) -> list[Archived]:
        chosen = select(self.table).where(self.table.id.in_(numbers)).order_by(self.table.id)
        rows = session.scalars(chosen).all()
        return [Archived(getattr(r, self.ended.key), self.archived(session, r)) for r in rows]


def _columns(_session: Session, row: Model) -> dict[str, Any]:
    return {each.key: getattr(row, each.key) for each in inspect(type(row)).column_attrs}


def _with_rows(session: Session, upload: Upload) -> dict[str, Any]:
    of_file = select(UploadRow).where(UploadRow.upload_id == upload.id).order_by(UploadRow.line)
    lines = [_columns(session, row) for row in session.scalars(of_file)]
    return {**_columns(session, upload), "lines": lines}


def _needed() -> ColumnElement[bool]:
    """The entries that a tenant is judged by until its partition is removed.

    These are its present request, the last request that was not the sweep's, its first request,
    which tells whether it was imported, and its first proof.
    """
    first_proof = _number(func.min(Other.id), READY)
    last_request = _number(func.max(Other.id), REQUESTS)
    is_present = select(Partition.tenant_id).where(
        Partition.tenant_id == Entry.tenant_id, Partition.generation == Entry.generation
    )
    is_removed = select(Partition.tenant_id).where(
        Partition.tenant_id == Entry.tenant_id, Partition.state == PartitionState.REMOVED
    )
    return and_(
        not_(is_removed.correlate(Entry).exists()),
        or_(
            Entry.event == events.REQUESTED,
            is_present.correlate(Entry).exists(),
            Entry.id == first_proof,
            Entry.id == last_request,
        ),
    )


def _number(which: Any, kinds: Collection[str]) -> ScalarSelect[int]:
    """The number of one of the tenant's entries of these kinds; 0, as none has, without any."""
    of_kinds = and_(Other.tenant_id == Entry.tenant_id, Other.event.in_(kinds))
    return select(func.coalesce(which, 0)).where(of_kinds).correlate(Entry).scalar_subquery()


def _delete_rows(session: Session, table: type[Model], which: ColumnElement[bool]) -> None:
    statement = delete(table).where(which)
    session.execute(statement.execution_options(synchronize_session=False))


def _delete_events(session: Session, _row: Retention, numbers: Sequence[int]) -> None:
    chosen = Entry.id.in_(numbers)
    deleted = delete(Entry).where(chosen).returning(Entry.tenant_id, Entry.at, Entry.count)
    options = {"synchronize_session": False}
    _note_pruned(session, session.execute(deleted, execution_options=options).all())


def _note_pruned(session: Session, deleted: Sequence[Any]) -> None:
    """Count the pruned entries of each timeline."""
    counts: Counter[int] = Counter()
    until: dict[int, datetime] = {}
    for tenant_id, at, count in deleted:
        counts[tenant_id] += count
        until[tenant_id] = max(at, until.get(tenant_id, at))
    now = utc_now()
    rows = [
        {"tenant_id": number, "entries": counts[number], "until": until[number], "pruned_at": now}
        for number in sorted(counts)
    ]
    if not rows:
        return
    first = insert_into(session, PrunedTimeline).values(rows)
    more = {
        "entries": PrunedTimeline.entries + first.excluded.entries,
        "until": first.excluded.until,
        "pruned_at": now,
    }
    session.execute(
        first.on_conflict_do_update(index_elements=[PrunedTimeline.tenant_id], set_=more)
    )


def _delete_audit(session: Session, row: Retention, numbers: Sequence[int]) -> None:
    if row.entry_id is None:
        raise RuntimeError("the audit is pruned without an entry that records it")
    with permitted(session, row.entry_id, cut_off=row.cut_off):
        _delete_rows(session, AuditEntry, AuditEntry.id.in_(numbers))


def _delete_operations(session: Session, _row: Retention, numbers: Sequence[int]) -> None:
    _delete_rows(session, Operation, Operation.id.in_(numbers))


def _delete_imports(session: Session, _row: Retention, numbers: Sequence[int]) -> None:
    _delete_rows(session, UploadRow, UploadRow.upload_id.in_(numbers))
    _delete_rows(session, Upload, Upload.id.in_(numbers))


EVENTS = Kind(Entry, Entry.at, Entry.at, not_(_needed()), _delete_events, _columns)
AUDIT = Kind(
    *(AuditEntry, AuditEntry.at, AuditEntry.at, AuditEntry.id > 0, _delete_audit, _columns)
)
OPERATIONS = Kind(
    *(Operation, Operation.asked_at, Operation.settled_at),
    *(Operation.state == OperationState.SETTLED, _delete_operations, _columns),
)
IMPORTS = Kind(
    *(Upload, Upload.uploaded_at, Upload.finished_at),
    *(Upload.state == UploadState.FINISHED, _delete_imports, _with_rows),
    # With up to 10,000 rows.
    at_once=1,
)
