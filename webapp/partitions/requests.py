"""Requests for a partition: the first one, another one, its withdrawal."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from webapp.db.session import UnitOfWork
from webapp.db.types import UtcDateTime
from webapp.models.audit import Actor
from webapp.models.naming import partition_name
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.states import GONE, IfExists, PartitionState, sources_of
from webapp.partitions import events
from webapp.partitions.cas import change
from webapp.partitions.policy import DISPATCH_GRACE, Policy

REMOVING = PartitionState.REMOVING
NOT_REQUESTED: ColumnElement[bool] = Partition.state.is_(None)

# Lost after it was proven and made again, empty; not acknowledged by an operator.
ROWS_LOST: ColumnElement[bool] = and_(
    Partition.rows_lost_at.is_not(None), Partition.state.not_in(GONE)
)

# Deleted, and can be restored: the drop has not begun.
STILL_THERE = and_(Partition.state == REMOVING, Partition.drop_began_at.is_(None))


def not_requested(tenant_id: int, policy: Policy) -> Partition:
    """The row of an imported tenant: its partition is not requested yet."""
    return Partition(
        tenant_id=tenant_id, name=partition_name(tenant_id), max_attempts=policy.attempts
    )


def add_missing_rows(session: Session, tenant_ids: Sequence[int], policy: Policy) -> None:
    """Insert rows without a request for those of the tenants that have none."""
    existing = session.scalars(
        select(Partition.tenant_id).where(Partition.tenant_id.in_(tenant_ids))
    ).all()
    session.add_all(not_requested(number, policy) for number in set(tenant_ids) - set(existing))


def first_request(
    tenant_id: int, policy: Policy, now: datetime, request_id: str | None = None
) -> Partition:
    """The row of a new tenant: requested, due at once, its first dispatch reserved."""
    return Partition(
        tenant_id=tenant_id,
        collection=policy.collection,
        name=partition_name(tenant_id),
        generation=1,
        dispatch=1,
        fence=0,
        dispatch_after=now + DISPATCH_GRACE,
        request_id=request_id,
        **_afresh(policy.attempts, now),
    )


def request_first(
    session: Session,
    which: ColumnElement[bool],
    policy: Policy,
    now: datetime,
    request_id: str | None = None,
    if_exists: IfExists | ColumnElement[IfExists] = IfExists.REFUSE,
) -> Sequence[Partition]:
    """Make the first request of the rows that have none; returns these."""
    first = {
        **_once_more(policy.attempts, now, request_id, if_exists),
        "collection": policy.collection,
    }
    return change(session, and_(which, NOT_REQUESTED), first)


def request_again(
    session: Session,
    which: ColumnElement[bool],
    attempts: int,
    now: datetime,
    request_id: str | None = None,
    if_exists: IfExists | ColumnElement[IfExists] = IfExists.REFUSE,
    *,
    states: Collection[PartitionState] = (PartitionState.FAILED,),
    further: Mapping[str, Any] = MappingProxyType({}),
) -> Sequence[Partition]:
    """Make a new request of the failed rows among these, or of those in `states`; returns them.

    `further` are values of other columns. Jobs of the old generation cannot claim. A decision to
    adopt or to empty was for the old request alone.
    """
    values = {**_once_more(attempts, now, request_id, if_exists), **further}
    return change(session, and_(which, Partition.state.in_(states)), values)


def withdraw(
    session: Session, which: ColumnElement[bool], policy: Policy, now: datetime
) -> Sequence[Partition]:
    """Have the partitions of deleted tenants removed after the grace time; returns the rows.

    A row without a request keeps generation 0 and is removed too: Milvus may have a partition of
    its name. The lease of a running attempt stays, since no drop may begin before it ends.
    """
    removable = and_(which, or_(NOT_REQUESTED, Partition.state.in_(sources_of(REMOVING))))
    values = {
        "state": REMOVING,
        "state_since": now,
        "requested_at": func.coalesce(Partition.requested_at, now),
        "last_requested_at": func.coalesce(Partition.last_requested_at, now),
        "waiting_since": None,
        "collection": func.coalesce(Partition.collection, policy.collection),
        "generation": case((NOT_REQUESTED, 0), else_=Partition.generation + 1),
        "dispatch_after": None,
        "next_attempt_at": None,
        "reopen_at": None,
        "remove_at": now + policy.grace,
        "reopens": 0,
        "cause": None,
        "error": None,
    }
    return change(session, removable, values)


def undo_removal(
    session: Session,
    which: ColumnElement[bool],
    attempts: int,
    now: datetime,
    request_id: str | None,
) -> Sequence[Partition]:
    """Undo removals whose drop has not begun: each row is requested again; returns the rows.

    A row that had no request has none again. A claim of the removal loses the row. The lease of an
    attempt from before the deletion stays, since the next deletion may come before it ends.
    """
    kept = {"fence": Partition.fence + 1, "remove_at": None, "if_exists": IfExists.REFUSE}
    afresh = kept | _once_more(attempts, now, request_id)
    del afresh["lease_until"]
    never = dict.fromkeys(("state", "state_since", "requested_at", "last_requested_at"))
    as_imported = kept | never | {"collection": None}
    removing = and_(which, STILL_THERE)
    return [
        *change(session, and_(removing, Partition.generation > 0), afresh),
        *change(session, and_(removing, Partition.generation == 0), as_imported),
    ]


def _once_more(
    attempts: int,
    now: datetime,
    request_id: str | None = None,
    if_exists: IfExists | ColumnElement[IfExists] = IfExists.REFUSE,
) -> dict[str, Any]:
    return {
        "if_exists": if_exists,
        "generation": Partition.generation + 1,
        "dispatch": Partition.dispatch + 1,
        "dispatch_after": now + DISPATCH_GRACE,
        "request_id": request_id,
        **_afresh(attempts, now),
        **_of_need(now),
    }


def _of_need(now: datetime) -> dict[str, Any]:
    """A failed row's need goes on; any other's begins now, unless the row waits already."""
    moment = literal(now, UtcDateTime())
    goes_on = Partition.state == PartitionState.FAILED
    return {
        "requested_at": case((goes_on, Partition.requested_at), else_=moment),
        "waiting_since": func.coalesce(Partition.waiting_since, moment),
    }


def _afresh(attempts: int, now: datetime) -> dict[str, Any]:
    return {
        "state": PartitionState.PENDING,
        "state_since": now,
        "requested_at": now,
        "last_requested_at": now,
        "waiting_since": now,
        "attempts": 0,
        "max_attempts": attempts,
        "next_attempt_at": None,
        "lease_until": None,
        "reopen_at": None,
        "reopens": 0,
        "cause": None,
        "error": None,
    }


# The message of an imported tenant's first request; a sign-up's request has none.
BACKFILLED = "asked for by a backfill"
IS_IMPORTED: ColumnElement[bool] = or_(
    NOT_REQUESTED,
    exists().where(
        PartitionEvent.tenant_id == Partition.tenant_id,
        PartitionEvent.event == events.REQUESTED,
        PartitionEvent.message == BACKFILLED,
    ),
)


def record_first(session: UnitOfWork, rows: Sequence[Partition], actor: Actor) -> None:
    """Record the first requests of imported tenants in their timelines."""
    events.record_each(session, rows, events.REQUESTED, actor=actor.name, message=BACKFILLED)
