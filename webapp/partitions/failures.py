"""Failed partitions, grouped by cause."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select, union_all
from sqlalchemy.orm import Session, aliased

from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant

RECENT = timedelta(hours=1)
NAMED = 5


@dataclass(frozen=True)
class Family:
    cause: Cause
    tenants: int
    # Since when the longest of them waits.
    waiting_since: datetime
    last_failed_at: datetime
    # How many of them began to wait within the last hour.
    past_hour: int
    example_tenant_id: int
    example_name: str
    example_error: str


@dataclass(frozen=True)
class Failing:
    tenant_id: int
    name: str
    partition: str


def families(session: Session) -> list[Family]:
    """Failed tenants by cause, the largest group first. An index covers the groups."""
    failed = Partition.state == PartitionState.FAILED
    is_recent = case((Partition.waiting_since > utc_now() - RECENT, 1), else_=0)
    groups = (
        select(
            Partition.cause,
            func.count().label("tenants"),
            # The moment that an instance of an earlier version did not store.
            func.coalesce(func.min(Partition.waiting_since), func.min(Partition.state_since)).label(
                "waiting_since"
            ),
            func.max(Partition.state_since).label("last_failed_at"),
            func.sum(is_recent).label("past_hour"),
            func.max(Partition.tenant_id).label("example_tenant_id"),
        )
        .where(failed)
        .group_by(Partition.cause)
        .subquery()
    )
    example = aliased(Partition)
    rows = session.execute(
        select(
            groups,
            Tenant.name.label("example_name"),
            func.coalesce(example.error, "").label("example_error"),
        )
        .join(example, example.tenant_id == groups.c.example_tenant_id)
        .join(Tenant, Tenant.id == groups.c.example_tenant_id)
        .order_by(groups.c.tenants.desc(), groups.c.cause)
    )
    return [Family(**row._asdict()) for row in rows]


def longest_waiting(session: Session, causes: Sequence[Cause]) -> dict[Cause, list[Failing]]:
    """The failed tenants of each cause that wait longest, at most `NAMED`; one statement."""
    if not causes:
        return {}
    runs = [
        select(
            Partition.cause,
            Partition.tenant_id,
            Partition.name.label("partition"),
            Partition.waiting_since,
        )
        .where(Partition.state == PartitionState.FAILED, Partition.cause == cause)
        .order_by(Partition.waiting_since, Partition.tenant_id)
        .limit(NAMED)
        .subquery()
        for cause in causes
    ]
    failed = union_all(*(select(run) for run in runs)).subquery()
    rows = session.execute(
        select(failed, Tenant.name)
        .join(Tenant, Tenant.id == failed.c.tenant_id)
        .order_by(failed.c.waiting_since, failed.c.tenant_id)
    )
    named: dict[Cause, list[Failing]] = {cause: [] for cause in causes}
    for row in rows:
        named[row.cause].append(Failing(row.tenant_id, row.name, row.partition))
    return named
