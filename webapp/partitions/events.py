"""The timeline of a tenant: each entry is a row and a line in the log, under one name."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from webapp.db.session import UnitOfWork
from webapp.logs import get_logger
from webapp.models.causes import Cause
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.states import Provider

REQUESTED: Final = "milvus.partition.requested"
DISPATCHED: Final = "milvus.partition.dispatched"
DISPATCH_FAILED: Final = "milvus.partition.dispatch_failed"
CREATING: Final = "milvus.partition.creating"
CREATED: Final = "milvus.partition.created"
ALREADY_EXISTS: Final = "milvus.partition.already_exists"
CREATE_FAILED: Final = "milvus.partition.create_failed"
FALLBACK: Final = "milvus.partition.fallback"
HANDED_BACK: Final = "milvus.partition.handed_back"
LEASE_EXPIRED: Final = "milvus.partition.lease_expired"
CAUSE_CHANGED: Final = "milvus.partition.cause_changed"
REOPENED: Final = "milvus.partition.reopened"
RETRIED: Final = "milvus.partition.retried"
ORPHAN_DROP: Final = "milvus.partition.orphan_drop"
ORPHAN_ADOPTED: Final = "milvus.partition.orphan_adopted"
ADOPT_REQUESTED: Final = "milvus.partition.adopt_requested"
EMPTY_REQUESTED: Final = "milvus.partition.empty_requested"
ADOPTED: Final = "milvus.partition.adopted"
EMPTYING: Final = "milvus.partition.emptying"
EMPTIED: Final = "milvus.partition.emptied"
REMOVING: Final = "milvus.partition.removing"
RESTORED: Final = "milvus.partition.restored"
DROPPING: Final = "milvus.partition.dropping"
DROP_FAILED: Final = "milvus.partition.drop_failed"
DROPPED: Final = "milvus.partition.dropped"
ABSENT: Final = "milvus.partition.absent"
KEPT: Final = "milvus.partition.kept"
DRIFT: Final = "milvus.partition.drift"
MISSING: Final = "milvus.partition.missing"
FOUND: Final = "milvus.partition.found"
ACKNOWLEDGED: Final = "milvus.partition.acknowledged"

WARNINGS = frozenset(
    {
        FALLBACK,
        HANDED_BACK,
        LEASE_EXPIRED,
        CAUSE_CHANGED,
        DISPATCH_FAILED,
        DROP_FAILED,
        KEPT,
        DRIFT,
        MISSING,
        EMPTYING,
        EMPTIED,
    }
)

log = get_logger("paratia.partition")


@dataclass(frozen=True)
class Entry:
    event: str
    tenant_id: int
    collection: str
    partition: str
    generation: int
    attempt: int | None = None
    provider: Provider | None = None
    cause: Cause | None = None
    message: str | None = None
    duration_ms: int | None = None
    job_id: str | None = None
    actor: str | None = None
    request_id: str | None = None


def entry_of(row: Partition, event: str, **fields: Any) -> Entry:
    """An entry about a partition's row as it is now, with further fields."""
    of_row: dict[str, Any] = {
        "tenant_id": row.tenant_id,
        "collection": row.collection,
        "partition": row.name,
        "generation": row.generation,
        "job_id": row.job_id,
        "request_id": row.request_id,
    }
    return Entry(event, **of_row | fields)


def row_count(rows: int | None) -> str:
    """A number of rows, which may be unknown, as messages have it."""
    if rows is None:
        return "an unknown number of rows"
    return "1 row" if rows == 1 else f"{rows} rows"


def record(session: UnitOfWork, entries: Sequence[Entry]) -> None:
    """Add the entries within the transaction of their change; the commit logs them."""
    # Not `asdict`: its deep copies are slow for a thousand entries.
    rows = [vars(entry).copy() for entry in entries]
    for row in rows:
        del row["collection"], row["partition"]
    if rows:
        session.execute(insert(PartitionEvent), rows)
        session.after_commit(lambda: _log(entries))


def record_each(session: UnitOfWork, rows: Iterable[Partition], event: str, **fields: Any) -> None:
    """Add an entry about each row, as `record` does."""
    record(session, [entry_of(row, event, **fields) for row in rows])


def _log(entries: Sequence[Entry]) -> None:
    for entry in entries:
        fields = vars(entry).copy()
        event = fields.pop("event")
        level = logging.WARNING if event in WARNINGS else logging.INFO
        log.log(logging.ERROR if event == CREATE_FAILED else level, event, **fields)


OPENINGS = frozenset(
    {
        REQUESTED,
        RETRIED,
        REOPENED,
        ORPHAN_ADOPTED,
        ADOPT_REQUESTED,
        EMPTY_REQUESTED,
        DRIFT,
        RESTORED,
        REMOVING,
    }
)


def origin_in(events: Sequence[PartitionEvent], generation: int | None) -> PartitionEvent | None:
    """The event among these, newest first, that opened the request; None where it is older."""
    of_request = [event for event in events if event.generation == generation]
    if of_request and of_request[-1].event in OPENINGS:
        return of_request[-1]
    return None


def origin_of(session: Session, partition: Partition) -> PartitionEvent | None:
    """The event that opened the partition's present request."""
    return session.scalar(
        select(PartitionEvent)
        .where(
            PartitionEvent.tenant_id == partition.tenant_id,
            PartitionEvent.generation == partition.generation,
            PartitionEvent.event.in_(OPENINGS),
        )
        .order_by(PartitionEvent.id.desc())
        .limit(1)
    )
