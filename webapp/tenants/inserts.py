"""Inserts many tenants in a few statements, within the transaction of the caller."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import TextClause, insert, text
from sqlalchemy.orm import Session

from webapp.db.session import UnitOfWork
from webapp.db.types import utc_now
from webapp.models.audit import Actor
from webapp.models.partition import Partition
from webapp.models.tenant import Tenant
from webapp.partitions import events
from webapp.partitions.orphans import refuse_while_dropped
from webapp.partitions.policy import Policy
from webapp.partitions.requests import first_request, not_requested

# Of several processes that create many tenants, one writes at a time: two could wait for slugs of
# each other. The number is arbitrary.
ONE_WRITES = text("SELECT pg_advisory_xact_lock(7274284)")
# The sequence of the column itself, so that no number is assigned twice.
NEXT_NUMBERS = text(
    "SELECT nextval(pg_get_serial_sequence('tenant', 'id')) FROM generate_series(1, :count)"
)
LAST_NUMBER = text("SELECT seq FROM sqlite_sequence WHERE name = 'tenant'")
NOBODY_ELSE_WRITES = text("LOCK TABLE tenant IN SHARE ROW EXCLUSIVE MODE")


def hold_back_others(session: Session, lock: TextClause) -> None:
    """Take the lock until the transaction ends; SQLite has one writer at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(lock)


def insert_with_requests(
    session: UnitOfWork, tenants: Sequence[Tenant], policy: Policy, actor: Actor
) -> None:
    """Store the tenants, numbered in their order, each with its first request.

    Raises:
        IntegrityError: a slug was taken just now; the transaction is lost.
    """
    numbers = _draw_numbers(session, len(tenants))
    now = utc_now()
    for tenant, number in zip(tenants, numbers, strict=True):
        tenant.id = number
        tenant.partition = first_request(number, policy, now, actor.request_id)
    _insert(session, tenants)
    partitions = [tenant.partition for tenant in tenants]
    events.record_each(session, partitions, events.REQUESTED, actor=actor.name)


def insert_imported(session: Session, tenants: Sequence[Tenant], policy: Policy) -> None:
    """Store the tenants under the numbers that they have, without a request.

    Raises:
        IntegrityError: a number or a slug was taken just now; the transaction is lost.
        BeingDropped: an orphan with one of the numbers is being dropped; the same.
    """
    for tenant in tenants:
        tenant.partition = not_requested(tenant.id, policy)
    _insert(session, tenants)
    refuse_while_dropped(session, {tenant.partition.name for tenant in tenants})


def _insert(session: Session, tenants: Sequence[Tenant]) -> None:
    now = utc_now()
    for tenant in tenants:
        tenant.created_at = tenant.updated_at = now
    if tenants:
        session.execute(insert(Tenant), [_columns(tenant) for tenant in tenants])
        session.execute(insert(Partition), [_columns(tenant.partition) for tenant in tenants])


def _draw_numbers(session: Session, count: int) -> list[int]:
    """The next numbers, drawn first so that all rows go in one statement, in order."""
    if session.get_bind().dialect.name == "postgresql":
        return list(session.scalars(NEXT_NUMBERS, {"count": count}))
    last: int = session.scalar(LAST_NUMBER) or 0
    return list(range(last + 1, last + 1 + count))


def _columns(row: Tenant | Partition) -> dict[str, Any]:
    columns = row.__table__.columns.keys()
    return {name: value for name, value in vars(row).items() if name in columns}
