"""The database's part of the tab of queues: the pace and the next attempts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Heartbeat
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.statistics import Activity, Resolution
from webapp.models.tenant import Tenant
from webapp.processes.beats import COUNTED
from webapp.queue.own_jobs import tenant_of

NEXT_SHOWN = 20
SHORT, LONG = timedelta(minutes=5), timedelta(minutes=60)

COUNTED_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True)
class Pace:
    """Tenants finished a minute, ready or failed, over the last minutes and the last hour."""

    lately: float
    hour: float


@dataclass(frozen=True)
class Next:
    """A request that waits for its dispatch."""

    tenant_id: int
    name: str
    attempt: int
    max_attempts: int
    cause: Cause | None
    due_at: datetime

    @property
    def is_due(self) -> bool:
        return self.due_at <= utc_now()


def queue_data(session: Session) -> dict[str, Any]:
    """The data of the tab besides the frame; two bounded queries with indexes."""
    return {"pace": pace(session), "next_ones": next_ones(session), "tenant_of": tenant_of}


def pace(session: Session) -> Pace | None:
    """How fast tenants are finished; None where the counts are old."""
    now = utc_now()
    this_minute = now.replace(second=0, microsecond=0)
    finished = Activity.ready + Activity.failed
    lately = func.sum(case((Activity.at >= this_minute - SHORT, finished), else_=0))
    mark = select(Heartbeat.at).where(Heartbeat.name == COUNTED).scalar_subquery()
    counted = select(mark, lately, func.sum(finished)).where(
        Activity.resolution == Resolution.MINUTE, Activity.at >= this_minute - LONG
    )
    at, recent, hourly = session.execute(counted).one()
    if at is None or now - at > COUNTED_WITHIN:
        return None
    so_far = now - this_minute
    return Pace((recent or 0) / _minutes(SHORT + so_far), (hourly or 0) / _minutes(LONG + so_far))


def next_ones(session: Session) -> list[Next]:
    """The next dispatches, in order; without requests that are in a queue."""
    order = (Partition.dispatch_after, Partition.tenant_id)
    # A subquery: PostgreSQL would otherwise join the names of all before sorting.
    first = (
        select(Partition.tenant_id)
        .where(Partition.state == PartitionState.PENDING, Partition.dispatch_after.is_not(None))
        .order_by(*order)
        .limit(NEXT_SHOWN)
        .subquery()
    )
    shown = (
        select(Partition, Tenant.name)
        .join(first, first.c.tenant_id == Partition.tenant_id)
        .join(Tenant, Tenant.id == Partition.tenant_id)
        .order_by(*order)
    )
    return [_next(row, name) for row, name in session.execute(shown)]


def _next(row: Partition, name: str) -> Next:
    due_at = row.next_attempt_at or row.dispatch_after or utc_now()
    return Next(row.tenant_id, name, row.attempts + 1, row.max_attempts, row.cause, due_at)


def _minutes(time: timedelta) -> float:
    return time / timedelta(minutes=1)
