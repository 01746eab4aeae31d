"""Leaving and coming back: what a deletion writes, and what calling a tenant back does."""

from sqlalchemy import delete

from webapp.audit import log as audit
from webapp.db.session import UnitOfWork
from webapp.db.types import utc_now
from webapp.errors import NotRemoving
from webapp.models.audit import Actor
from webapp.models.partition import Departure, Partition
from webapp.models.tenant import Tenant
from webapp.partitions import events
from webapp.partitions.policy import Policy
from webapp.partitions.requests import undo_removal, withdraw
from webapp.tenants.slugs import free_slug


def delete_tenant(session: UnitOfWork, tenant: Tenant, policy: Policy, *, actor: Actor) -> None:
    """Delete a living tenant whose row is locked: its partition's row is to be removed."""
    now = utc_now()
    tenant.deleted_at = tenant.updated_at = now
    (row,) = withdraw(session, Partition.tenant_id == tenant.id, policy, now)
    asked = {"requested_at": now, "requested_by": actor.name, "request_id": actor.request_id}
    session.merge(Departure(tenant_id=tenant.id, **asked))
    entry = events.entry_of(row, events.REMOVING, actor=actor.name)
    events.record(session, [entry])
    audit.record(
        session,
        actor=actor,
        action="tenant.delete",
        tenant_id=tenant.id,
        before={"status": "active", "name": tenant.name, "slug": tenant.slug},
        after={"status": "deleted"},
    )


def restore_tenant(
    session: UnitOfWork, tenant: Tenant, policy: Policy, *, actor: Actor
) -> Partition:
    """Undo the deletion of a tenant whose row is locked: its partition's row has a new request.

    Returns that row. Of a tenant that never had one, the row is as it was before it went.

    Raises:
        NotRemoving: it is not deleted, or the drop has begun.
    """
    if tenant.deleted_at is None:
        raise NotRemoving(tenant.id, "it is not deleted")
    now = utc_now()
    mine = Partition.tenant_id == tenant.id
    rows = undo_removal(session, mine, policy.attempts, now, actor.request_id)
    if not rows:
        raise NotRemoving(tenant.id, "its partition is being dropped, or is gone")
    before = tenant.slug
    # Looked for while the tenant still counts as deleted, so that its own slug is free to it.
    tenant.slug = free_slug(session, tenant.slug)
    tenant.deleted_at = None
    tenant.updated_at = now
    session.execute(delete(Departure).where(Departure.tenant_id == tenant.id))
    entry = events.entry_of(rows[0], events.RESTORED, actor=actor.name)
    events.record(session, [entry])
    audit.record(
        session,
        actor=actor,
        action="tenant.restore",
        tenant_id=tenant.id,
        before={"status": "deleted", "slug": before},
        after={"status": "active", "slug": tenant.slug},
    )
    return rows[0]
