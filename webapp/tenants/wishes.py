"""Making a wish: a partition's row that asks for provisioning, new or once more."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import Session

from webapp.tenants.dispatch import Ring
from webapp.tenants.models import Partition
from webapp.tenants.naming import partition_name
from webapp.tenants.rows import change
from webapp.tenants.rules import RING_GRACE, Rules
from webapp.tenants.states import PartitionState, sources_of


def first_wish(
    tenant_id: int, rules: Rules, now: datetime, request_id: str | None = None
) -> Partition:
    """The row of a tenant that never had one, due at once, its first ring reserved."""
    return Partition(
        tenant_id=tenant_id,
        collection=rules.collection,
        name=partition_name(tenant_id),
        generation=1,
        dispatch=1,
        fence=0,
        ring_at=now + RING_GRACE,
        request_id=request_id,
        **_afresh(rules.attempts, now),
    )


def wish_again(
    session: Session,
    which: ColumnElement[bool],
    attempts: int,
    now: datetime,
    request_id: str | None = None,
) -> Sequence[Partition]:
    """Make a new wish of the failed ones among these rows, and return their rows.

    Rings of the old generation become harmless.
    """
    failed = and_(which, Partition.state == PartitionState.FAILED)
    once_more = {
        "generation": Partition.generation + 1,
        "dispatch": Partition.dispatch + 1,
        "ring_at": now + RING_GRACE,
        "request_id": request_id,
    }
    return change(session, failed, once_more | _afresh(attempts, now))


def withdraw(session: Session, tenant_id: int, now: datetime) -> Sequence[Partition]:
    """Turn a deleted tenant's wish around: its partition is to go. Returns the row, if any.

    The lease of an attempt that still runs stays, since nothing may be dropped before it ends.
    """
    wanted = and_(
        Partition.tenant_id == tenant_id,
        Partition.state.in_(sources_of(PartitionState.REMOVING)),
    )
    to_go = {
        "state": PartitionState.REMOVING,
        "state_since": now,
        "generation": Partition.generation + 1,
        "ring_at": None,
        "next_attempt_at": None,
        "reopen_at": None,
    }
    return change(session, wanted, to_go)


def ring_for(partition: Partition) -> Ring:
    """The ring whose dispatch number the row has reserved."""
    return Ring(
        tenant_id=partition.tenant_id,
        generation=partition.generation,
        dispatch=partition.dispatch,
        fence=partition.fence,
        collection=partition.collection,
        partition=partition.name,
        stale_job_id=partition.claimed_job_id,
        request_id=partition.request_id,
    )


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
