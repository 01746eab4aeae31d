"""What each kind of operation does to a batch of tenants, within one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, literal, select, update
from sqlalchemy.orm import Session, lazyload

from webapp.db.session import UnitOfWork
from webapp.db.types import utc_now
from webapp.models.audit import Actor
from webapp.models.base import code
from webapp.models.operation import OperationKind
from webapp.models.partition import Partition
from webapp.models.states import IfExists, PartitionState
from webapp.models.tenant import Tenant
from webapp.numbers.incarnation import move_clock
from webapp.operations.plan import Asked
from webapp.partitions import events
from webapp.partitions.cas import change
from webapp.partitions.policy import DISPATCH_AGAIN, Policy
from webapp.partitions.requests import record_first, request_again, request_first
from webapp.partitions.rows_lost import acknowledge
from webapp.tenants.deletion import delete_tenants, restore_tenants

# As values of the column, in an expression that each row evaluates.
ADOPT, REFUSE = (literal(value, code(IfExists)) for value in (IfExists.ADOPT, IfExists.REFUSE))


@dataclass(frozen=True)
class Applied:
    """The rows that a batch changed, and the effects that follow the commit."""

    rows: Sequence[Partition]
    # Those of the rows that are to be dispatched.
    dispatch: Sequence[Partition] = ()
    # Failed jobs of tenants that are not failing any more.
    stale_jobs: Sequence[str] = ()


Action = Callable[[UnitOfWork, Sequence[int], Asked, Policy, Actor], Applied]


def apply(
    session: UnitOfWork, asked: Asked, tenant_ids: Sequence[int], policy: Policy, actor: Actor
) -> Applied:
    """Change these tenants as the kind says; a condition on each row is checked again."""
    return ACTIONS[asked.kind](session, tenant_ids, asked, policy, actor)


def mark(session: Session, rows: Sequence[Partition], operation_id: int) -> None:
    """Store on locked rows that this operation was the last to change them."""
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
    events.record_each(session, rows, events.RETRIED, actor=actor.name)
    return Applied(rows, rows)


def _request(
    session: UnitOfWork, tenant_ids: Sequence[int], _asked: Asked, policy: Policy, actor: Actor
) -> Applied:
    mine = Partition.tenant_id.in_(tenant_ids)
    rows = request_first(session, mine, policy, utc_now(), actor.request_id)
    record_first(session, rows, actor)
    return Applied(rows, rows)


def _backfill(
    session: UnitOfWork, tenant_ids: Sequence[int], asked: Asked, policy: Policy, actor: Actor
) -> Applied:
    mine, now = Partition.tenant_id.in_(tenant_ids), utc_now()
    # One expression for all rows: two statements could lock rows in another order.
    decided = case((asked.adopts, ADOPT), else_=REFUSE)
    if asked.adopt:
        waits = and_(mine, Partition.state == PartitionState.PENDING, asked.adopts)
        change(session, waits, {"if_exists": IfExists.ADOPT})
    waiting = [Partition.state == PartitionState.PENDING, asked.can_take, mine]
    waiting_rows = session.scalars(select(Partition).where(*waiting)).all()
    first = request_first(session, mine, policy, now, actor.request_id, decided)
    again = request_again(session, mine, policy.attempts, now, actor.request_id, decided)
    record_first(session, first, actor)
    events.record_each(session, again, events.RETRIED, actor=actor.name)
    due = [row.tenant_id for row in waiting_rows if row.dispatch_after is not None]
    lost = change(
        session,
        and_(Partition.tenant_id.in_(due), Partition.dispatch_after <= now),
        {"dispatch": Partition.dispatch + 1, "dispatch_after": now + DISPATCH_AGAIN},
    )
    return Applied([*first, *again, *waiting_rows], [*first, *again, *lost])


def _acknowledge(
    session: UnitOfWork, tenant_ids: Sequence[int], _asked: Asked, _policy: Policy, actor: Actor
) -> Applied:
    return Applied(acknowledge(session, Partition.tenant_id.in_(tenant_ids), actor))


def _delete(
    session: UnitOfWork, tenant_ids: Sequence[int], _asked: Asked, policy: Policy, actor: Actor
) -> Applied:
    tenants = _lock(session, tenant_ids, are_deleted=False)
    rows = delete_tenants(session, tenants, policy, actor)
    return Applied(rows, stale_jobs=[row.claimed_job_id for row in rows if row.claimed_job_id])


def _restore(
    session: UnitOfWork, tenant_ids: Sequence[int], _asked: Asked, policy: Policy, actor: Actor
) -> Applied:
    # In an older copy these tenants are still to be dropped.
    move_clock(session)
    tenants = _lock(session, tenant_ids, are_deleted=True)
    rows = restore_tenants(session, tenants, policy, actor)
    return Applied(rows, [row for row in rows if row.state == PartitionState.PENDING])


def _lock(session: Session, tenant_ids: Sequence[int], *, are_deleted: bool) -> Sequence[Tenant]:
    """Those of the tenants that are (not) deleted, locked in the order of their numbers."""
    deleted = Tenant.deleted_at.is_not(None) if are_deleted else Tenant.deleted_at.is_(None)
    statement = select(Tenant).options(lazyload(Tenant.partition))
    statement = statement.where(Tenant.id.in_(tenant_ids), deleted).order_by(Tenant.id)
    # Not FOR UPDATE: the event that a worker writes locks its tenant's row FOR KEY SHARE.
    return session.scalars(statement.with_for_update(of=Tenant, key_share=True)).all()


ACTIONS: dict[OperationKind, Action] = {
    OperationKind.RETRY: _retry,
    OperationKind.REQUEST: _request,
    OperationKind.BACKFILL: _backfill,
    OperationKind.DELETE: _delete,
    OperationKind.RESTORE: _restore,
    OperationKind.ACKNOWLEDGE: _acknowledge,
}
