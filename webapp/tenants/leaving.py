"""Leaving and coming back: what a deletion writes, and what calling a tenant back does."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from webapp.database import utc_now
from webapp.tenants.errors import NotRemoving
from webapp.tenants.models import Partition, Tenant
from webapp.tenants.records import Departure
from webapp.tenants.rules import Rules
from webapp.tenants.slugs import free_slug
from webapp.tenants.wishes import unwish, unwished, wish_back, withdraw


def leave(
    session: Session, tenant: Tenant, rules: Rules, *, actor: str, request_id: str | None
) -> Partition:
    """Delete a living tenant whose row is locked; returns its partition's row, to be removed."""
    now = utc_now()
    tenant.deleted_at = tenant.updated_at = now
    row = _turned_around(session, tenant.id, rules, now)
    asked = {"requested_at": now, "requested_by": actor, "request_id": request_id}
    session.merge(Departure(tenant_id=tenant.id, **asked))
    return row


def _turned_around(session: Session, tenant_id: int, rules: Rules, now: datetime) -> Partition:
    remove_at = now + rules.grace
    for row in withdraw(session, tenant_id, now, remove_at):
        return row
    row = unwished(tenant_id, rules, now, remove_at)
    session.add(row)
    session.flush()
    return row


def come_back(session: Session, tenant: Tenant, rules: Rules, request_id: str | None) -> Partition:
    """Undo the deletion of a tenant whose row is locked.

    Returns its partition's row with a new wish; of a tenant that never had one, the row as it
    was before it went.

    Raises:
        NotRemoving: it is not deleted, or the drop has begun.
    """
    if tenant.deleted_at is None:
        raise NotRemoving(tenant.id, "it is not deleted")
    now = utc_now()
    rows = wish_back(session, tenant.id, rules.attempts, now, request_id)
    rows = rows or unwish(session, tenant.id)
    if not rows:
        raise NotRemoving(tenant.id, "its partition is being dropped, or is gone")
    # Looked for while the tenant still counts as deleted, so that its own slug is free to it.
    tenant.slug = free_slug(session, tenant.slug)
    tenant.deleted_at = None
    tenant.updated_at = now
    session.execute(delete(Departure).where(Departure.tenant_id == tenant.id))
    return rows[0]
