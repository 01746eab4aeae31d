"""Deletion and restoration of tenants, one or many, within the transaction of the caller."""

from collections.abc import Sequence

from sqlalchemy import delete, insert

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
from webapp.tenants.slugs import free_slugs
from webapp.texts import N_


def delete_tenants(
    session: UnitOfWork, tenants: Sequence[Tenant], policy: Policy, actor: Actor
) -> Sequence[Partition]:
    """Delete living tenants whose rows are locked; returns the partitions to be removed."""
    now = utc_now()
    for tenant in tenants:
        tenant.deleted_at = tenant.updated_at = now
    session.flush()
    numbers = [tenant.id for tenant in tenants]
    rows = withdraw(session, Partition.tenant_id.in_(numbers), policy, now)
    request = {"requested_at": now, "requested_by": actor.name, "request_id": actor.request_id}
    session.execute(delete(Departure).where(Departure.tenant_id.in_(numbers)))
    if numbers:
        session.execute(insert(Departure), [{"tenant_id": number, **request} for number in numbers])
    events.record_each(session, rows, events.REMOVING, actor=actor.name)
    return rows


def restore_tenants(
    session: UnitOfWork, tenants: Sequence[Tenant], policy: Policy, actor: Actor
) -> Sequence[Partition]:
    """Restore deleted tenants whose rows are locked, unless their drop has begun.

    Returns the partitions of those that are restored. Each is requested again, but for one that
    was not requested before the deletion. A slug that is taken by now gets a number.
    """
    now, mine = utc_now(), Partition.tenant_id.in_([tenant.id for tenant in tenants])
    rows = undo_removal(session, mine, policy.attempts, now, actor.request_id)
    numbers = {row.tenant_id for row in rows}
    restored = [tenant for tenant in tenants if tenant.id in numbers]
    # Searched while they still count as deleted, so that their own slugs are free.
    slugs = free_slugs(session, [tenant.slug for tenant in restored], ())
    for tenant, slug in zip(restored, slugs, strict=True):
        tenant.slug, tenant.deleted_at, tenant.updated_at = slug, None, now
    session.flush()
    session.execute(delete(Departure).where(Departure.tenant_id.in_(numbers)))
    events.record_each(session, rows, events.RESTORED, actor=actor.name)
    return rows


def delete_tenant(session: UnitOfWork, tenant: Tenant, policy: Policy, *, actor: Actor) -> None:
    """Delete a living tenant whose row is locked; it is audited."""
    delete_tenants(session, [tenant], policy, actor)
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
    """Restore a tenant whose row is locked; it is audited. Returns the partition.

    Raises:
        NotRemoving: it is not deleted, or the drop has begun.
    """
    if tenant.deleted_at is None:
        raise NotRemoving(tenant.id, N_("it is not deleted"))
    slug = tenant.slug
    rows = restore_tenants(session, [tenant], policy, actor)
    if not rows:
        raise NotRemoving(tenant.id, N_("its partition is being dropped, or is gone"))
    audit.record(
        session,
        actor=actor,
        action="tenant.restore",
        tenant_id=tenant.id,
        before={"status": "deleted", "slug": slug},
        after={"status": "active", "slug": tenant.slug},
    )
    return rows[0]
