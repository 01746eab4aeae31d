"""What each kind of operation does to a batch of tenants, within one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, case, delete, insert, literal, select, update
from sqlalchemy.orm import Session, lazyload

from webapp.db.session import UnitOfWork
from webapp.db.types import utc_now
from webapp.models.audit import Actor
from webapp.models.base import code
from webapp.models.operation import OperationKind
from webapp.models.partition import Departure, Partition
from webapp.models.states import IfExists, PartitionState
from webapp.models.tenant import Tenant
from webapp.operations.plan import Asked
from webapp.partitions import events
from webapp.partitions.cas import change
from webapp.partitions.policy import DISPATCH_AGAIN, Policy
from webapp.partitions.requests import (
    first_entry,
    request_again,
    request_first,
    undo_removal,
    withdraw,
)
from webapp.tenants.slugs import free_slugs

# As values of the column, in an expression that each row gets its own of.
ADOPT, REFUSE = (literal(value, code(IfExists)) for value in (IfExists.ADOPT, IfExists.REFUSE))


@dataclass(frozen=True)
class Applied:
    """The rows that were changed, and what follows for them after the commit."""

    rows: Sequence[Partition]
    # Those of them that are to be dispatched.
    dispatch: Sequence[Partition] = ()
    # Failed jobs of tenants that are not failing any more.
    stale_jobs: Sequence[str] = field(default=())


Action = Callable[[UnitOfWork, Sequence[int], Asked, Policy, Actor], Applied]


def apply(
    session: UnitOfWork, asked: Asked, tenant_ids: Sequence[int], policy: Policy, actor: Actor
) -> Applied:
    """Do to these tenants what the kind says; each is looked at again, and may be left alone."""
    return ACTIONS[asked.kind](session, tenant_ids, asked, policy, actor)


def mark(session: Session, rows: Sequence[Partition], operation_id: int) -> None:
    """Note on rows that are locked already which operation was the last to turn them."""
    mine = Partition.tenant_id.in_([row.tenant_id for row in rows])
    session.execute(
        update(Partition).where(mine).values(operation_id=operation_id),
        execution_options={"synchronize_session": False},
    )


def _retry(
    session: UnitOfWork, tenant_ids: Sequence[int], _asked: Asked, policy: Policy, actor: Actor
) -> Applied:
    mine = Partition.tenant_id.in_(tenant_ids)
    rows = request_again(session, mine, policy.attempts, utc_now(), actor.request_id)
    entries = [events.entry_of(row, events.RETRIED, actor=actor.name) for row in rows]
    events.record(session, entries)
    return Applied(rows, rows)


def _request(
    session: UnitOfWork, tenant_ids: Sequence[int], _asked: Asked, policy: Policy, actor: Actor
) -> Applied:
    mine = Partition.tenant_id.in_(tenant_ids)
    rows = request_first(session, mine, policy, utc_now(), actor.request_id)
    entries = [first_entry(row, actor.name) for row in rows]
    events.record(session, entries)
    return Applied(rows, rows)


def _backfill(
    session: UnitOfWork, tenant_ids: Sequence[int], asked: Asked, policy: Policy, actor: Actor
) -> Applied:
    mine, now = Partition.tenant_id.in_(tenant_ids), utc_now()
    # One expression for all, or two backfills could lock the same rows crosswise.
    decided = case((asked.adopts, ADOPT), else_=REFUSE)
    if asked.adopt:
        waits = and_(mine, Partition.state == PartitionState.PENDING, asked.adopts)
        change(session, waits, {"if_exists": IfExists.ADOPT})
    waiting = [Partition.state == PartitionState.PENDING, asked.can_take, mine]
    waiting_rows = session.scalars(select(Partition).where(*waiting)).all()
    first = request_first(session, mine, policy, now, actor.request_id, decided)
    again = request_again(session, mine, policy.attempts, now, actor.request_id, decided)
    entries = [first_entry(row, actor.name) for row in first]
    entries += [events.entry_of(row, events.RETRIED, actor=actor.name) for row in again]
    events.record(session, entries)
    due = [row.tenant_id for row in waiting_rows if row.dispatch_after is not None]
    lost = change(
        session,
        and_(Partition.tenant_id.in_(due), Partition.dispatch_after <= now),
        {"dispatch": Partition.dispatch + 1, "dispatch_after": now + DISPATCH_AGAIN},
    )
    return Applied([*first, *again, *waiting_rows], [*first, *again, *lost])


def _delete(
    session: UnitOfWork, tenant_ids: Sequence[int], _asked: Asked, policy: Policy, actor: Actor
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
    session: UnitOfWork, tenant_ids: Sequence[int], _asked: Asked, policy: Policy, actor: Actor
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
    OperationKind.BACKFILL: _backfill,
    OperationKind.DELETE: _delete,
    OperationKind.RESTORE: _restore,
}
