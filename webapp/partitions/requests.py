"""Making a request: a partition's row that asks for provisioning, new or once more."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, Table, and_, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from webapp.db.types import utc_now
from webapp.models.naming import partition_name
from webapp.models.partition import Partition
from webapp.models.states import IfExists, PartitionState, sources_of
from webapp.models.tenant import Tenant
from webapp.partitions import events
from webapp.partitions.cas import change
from webapp.partitions.policy import DISPATCH_GRACE, Policy
from webapp.queue.job_queue import Dispatch

# The generation of a row whose tenant was deleted before anybody requested its partition.
NEVER_REQUESTED = 0

# Deleted, and can be called back: nobody has begun to drop it.
STILL_THERE = and_(Partition.state == PartitionState.REMOVING, Partition.drop_began_at.is_(None))


def first_request(
    tenant_id: int, policy: Policy, now: datetime, request_id: str | None = None
) -> Partition:
    """The row of a tenant that never had one, due at once, its first dispatch reserved."""
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


def request_again(
    session: Session,
    which: ColumnElement[bool],
    attempts: int,
    now: datetime,
    request_id: str | None = None,
    if_exists: IfExists | ColumnElement[IfExists] = IfExists.REFUSE,
) -> Sequence[Partition]:
    """Make a new request of the failed ones among these rows, and return their rows.

    Jobs of the old generation change nothing any more. Leave to adopt or to empty was given for
    the old request, not for the new one.
    """
    failed = and_(which, Partition.state == PartitionState.FAILED)
    return change(session, failed, _once_more(attempts, now, request_id, if_exists))


def request_missing(
    session: Session, which: ColumnElement[bool], attempts: int, now: datetime
) -> Sequence[Partition]:
    """Make a new request of the ready ones among these rows, whose partitions are gone."""
    gone = and_(which, Partition.state == PartitionState.READY)
    return change(session, gone, _once_more(attempts, now))


def withdraw(
    session: Session, which: ColumnElement[bool], now: datetime, remove_at: datetime
) -> Sequence[Partition]:
    """Turn the requests of deleted tenants around: their partitions are to go. Returns the rows.

    The lease of an attempt that still runs stays, since nothing may be dropped before it ends.
    """
    wanted = and_(which, Partition.state.in_(sources_of(PartitionState.REMOVING)))
    to_go = {
        "state": PartitionState.REMOVING,
        "state_since": now,
        "generation": Partition.generation + 1,
        "dispatch_after": None,
        "next_attempt_at": None,
        "reopen_at": None,
        "remove_at": remove_at,
        "reopens": 0,
        "cause": None,
        "error": None,
    }
    return change(session, wanted, to_go)


def removal_without_request(
    tenant_id: int, policy: Policy, now: datetime, remove_at: datetime
) -> Partition:
    """The row of a deleted tenant without a request: what Milvus has by its name goes too."""
    return Partition(
        tenant_id=tenant_id,
        collection=policy.collection,
        name=partition_name(tenant_id),
        generation=NEVER_REQUESTED,
        dispatch=0,
        # The row of an earlier deletion is gone, with its fence: one frozen since then must not
        # find its own in this one.
        fence=secrets.randbelow(2**30),
        **_afresh(policy.attempts, now)
        | {"state": PartitionState.REMOVING, "remove_at": remove_at},
    )


def request_restored(
    session: Session,
    which: ColumnElement[bool],
    attempts: int,
    now: datetime,
    request_id: str | None,
) -> Sequence[Partition]:
    """Make new requests of those that were withdrawn, unless the drop has begun. Returns the rows.

    Whoever was about to drop one loses the row. The lease of an attempt from before the
    deletion stays, in case the next deletion comes before it has ended.
    """
    wanted_again = {
        "generation": Partition.generation + 1,
        "dispatch": Partition.dispatch + 1,
        "fence": Partition.fence + 1,
        "dispatch_after": now + DISPATCH_GRACE,
        "remove_at": None,
        "request_id": request_id,
        "if_exists": IfExists.REFUSE,
    }
    afresh = _afresh(attempts, now)
    del afresh["lease_until"]
    requested = and_(which, STILL_THERE, Partition.generation > NEVER_REQUESTED)
    return change(session, requested, wanted_again | afresh)


def delete_unrequested(session: Session, which: ColumnElement[bool]) -> Sequence[Partition]:
    """Take away the rows of tenants that never had a request, unless the drop has begun."""
    never = and_(which, STILL_THERE, Partition.generation == NEVER_REQUESTED)
    return session.scalars(delete(Partition).where(never).returning(Partition)).all()


def dispatch_of(partition: Partition) -> Dispatch:
    """The dispatch whose dispatch number the row has reserved."""
    return Dispatch(
        tenant_id=partition.tenant_id,
        generation=partition.generation,
        dispatch=partition.dispatch,
        fence=partition.fence,
        collection=partition.collection,
        partition=partition.name,
        stale_job_id=partition.claimed_job_id,
        request_id=partition.request_id,
    )


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
    }


def _afresh(attempts: int, now: datetime) -> dict[str, Any]:
    return {
        "state": PartitionState.PENDING,
        "state_since": now,
        "requested_at": now,
        "attempts": 0,
        "max_attempts": attempts,
        "next_attempt_at": None,
        "lease_until": None,
        "reopen_at": None,
        "reopens": 0,
        "cause": None,
        "error": None,
    }


# By this message in their timelines, those who were there before are told from sign-ups.
BACKFILLED = "asked for by a backfill"


def request_first(
    session: Session,
    tenant_ids: Sequence[int],
    policy: Policy,
    *,
    adopting: frozenset[int] = frozenset(),
    request_id: str | None = None,
) -> Sequence[Partition]:
    """Insert requests for the living among these that have none, and return their rows.

    Rows that are in their partitions already are adopted for those in `adopting` alone.
    """
    requests = [
        first_request(number, policy, utc_now(), request_id)
        for number in session.scalars(_without(tenant_ids))
    ]
    for request in requests:
        if request.tenant_id in adopting:
            request.if_exists = IfExists.ADOPT
    if not requests:
        return []
    columns = cast(Table, Partition.__table__).columns.keys()
    rows = [
        {name: value for name in columns if (value := getattr(request, name)) is not None}
        for request in requests
    ]
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(Partition).values(rows).on_conflict_do_nothing()
    return session.scalars(statement.returning(Partition)).all()


def first_entry(row: Partition, actor: str) -> events.Entry:
    """What the timeline tells of such a request."""
    return events.entry_of(row, events.REQUESTED, actor=actor, message=BACKFILLED)


def _without(tenant_ids: Sequence[int]) -> Select[int]:
    return (
        select(Tenant.id)
        .join(Partition, isouter=True)
        .where(
            Tenant.id.in_(tenant_ids),
            Tenant.deleted_at.is_(None),
            Partition.tenant_id.is_(None),
        )
        .order_by(Tenant.id)
        .with_for_update(of=Tenant, key_share=True)
    )
