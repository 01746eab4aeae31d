"""What each kind of operation does to a batch of tenants, within one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session, lazyload

from webapp.db.session import UnitOfWork
from webapp.db.types import utc_now
from webapp.models.audit import Actor
from webapp.models.operation import OperationKind
from webapp.models.partition import Departure, Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions import events
from webapp.partitions.policy import Policy
from webapp.partitions.requests import (
    first_entry,
    request_again,
    request_first,
    undo_removal,
    withdraw,
)
from webapp.tenants.slugs import free_slugs


@dataclass(frozen=True)
class Applied:
    """The rows that were changed, and what follows for them after the commit."""

    rows: Sequence[Partition]
    # Those of them that are to be dispatched.
    dispatch: Sequence[Partition] = ()
    # Failed jobs of tenants that are not failing any more.
    stale_jobs: Sequence[str] = field(default=())


Action = Callable[[UnitOfWork, Sequence[int], Policy, Actor], Applied]


def apply(
    session: UnitOfWork,
    kind: OperationKind,
    tenant_ids: Sequence[int],
    policy: Policy,
    actor: Actor,
) -> Applied:
    """Do to these tenants what the kind says; each is looked at again, and may be left alone."""
    return ACTIONS[kind](session, tenant_ids, policy, actor)


def mark(session: Session, rows: Sequence[Partition], operation_id: int) -> None:
    """Note on rows that are locked already which operation was the last to turn them."""
    mine = Partition.tenant_id.in_([row.tenant_id for row in rows])
    session.execute(
        update(Partition).where(mine).values(operation_id=operation_id),
        execution_options={"synchronize_session": False},
    )


def _retry(session: UnitOfWork, tenant_ids: Sequence[int], policy: Policy, actor: Actor) -> Applied:
    mine = Partition.tenant_id.in_(tenant_ids)
    rows = request_again(session, mine, policy.attempts, utc_now(), actor.request_id)
    entries = [events.entry_of(row, events.RETRIED, actor=actor.name) for row in rows]
    events.record(session, entries)
    return Applied(rows, rows)


def _request(
    session: UnitOfWork, tenant_ids: Sequence[int], policy: Policy, actor: Actor
) -> Applied:
    mine = Partition.tenant_id.in_(tenant_ids)
    rows = request_first(session, mine, policy, utc_now(), actor.request_id)
    entries = [first_entry(row, actor.name) for row in rows]
    events.record(session, entries)
    return Applied(rows, rows)


def _delete(
    session: UnitOfWork, tenant_ids: Sequence[int], policy: Policy, actor: Actor
) -> Applied:
    now = utc_now()
    tenants = _locked(session, tenant_ids, are_deleted=False)
    for tenant in tenants:
        tenant.deleted_at = tenant.updated_at = now
    session.flush()
    numbers = [tenant.id for tenant in tenants]
    rows = withdraw(session, Partition.tenant_id.in_(numbers), policy, now)
    _record_departures(session, numbers, now, actor)
    entries = [events.entry_of(row, events.REMOVING, actor=actor.name) for row in rows]
    jobs = [row.claimed_job_id for row in rows if row.claimed_job_id]
    events.record(session, entries)
    return Applied(rows, stale_jobs=jobs)


def _record_departures(
    session: Session, numbers: Sequence[int], now: datetime, actor: Actor
) -> None:
    asked = {"requested_at": now, "requested_by": actor.name, "request_id": actor.request_id}
    session.execute(delete(Departure).where(Departure.tenant_id.in_(numbers)))
    if numbers:
        session.execute(insert(Departure), [{"tenant_id": number, **asked} for number in numbers])


def _restore(
    session: UnitOfWork, tenant_ids: Sequence[int], policy: Policy, actor: Actor
) -> Applied:
    now = utc_now()
    tenants = _locked(session, tenant_ids, are_deleted=True)
    mine = Partition.tenant_id.in_([tenant.id for tenant in tenants])
    rows = undo_removal(session, mine, policy.attempts, now, actor.request_id)
    numbers = {row.tenant_id for row in rows}
    _bring_back(session, [tenant for tenant in tenants if tenant.id in numbers], now)
    session.execute(delete(Departure).where(Departure.tenant_id.in_(numbers)))
    entries = [events.entry_of(row, events.RESTORED, actor=actor.name) for row in rows]
    requested = [row for row in rows if row.state == PartitionState.PENDING]
    events.record(session, entries)
    return Applied(rows, requested)


def _bring_back(session: Session, tenants: Sequence[Tenant], now: datetime) -> None:
    # Looked for while they still count as deleted, so that their own slugs are free to them.
    slugs = free_slugs(session, [tenant.slug for tenant in tenants], ())
    for tenant, slug in zip(tenants, slugs, strict=True):
        tenant.slug = slug
        tenant.deleted_at = None
        tenant.updated_at = now
    session.flush()


def _locked(session: Session, tenant_ids: Sequence[int], *, are_deleted: bool) -> Sequence[Tenant]:
    """Those of the tenants that are (not) deleted, locked by ascending number as all do."""
    deleted = Tenant.deleted_at.is_not(None) if are_deleted else Tenant.deleted_at.is_(None)
    chosen = select(Tenant).options(lazyload(Tenant.partition))
    chosen = chosen.where(Tenant.id.in_(tenant_ids), deleted).order_by(Tenant.id)
    # Not FOR UPDATE: a worker's event about one of them locks its row FOR KEY SHARE.
    return session.scalars(chosen.with_for_update(of=Tenant, key_share=True)).all()


ACTIONS: dict[OperationKind, Action] = {
    OperationKind.RETRY: _retry,
    OperationKind.REQUEST: _request,
    OperationKind.DELETE: _delete,
    OperationKind.RESTORE: _restore,
}
