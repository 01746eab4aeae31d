"""The audit entries of the use cases on tenants."""

from collections.abc import Sequence
from typing import Any

from webapp.audit import log as audit
from webapp.db.session import UnitOfWork
from webapp.models.audit import Actor
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant


def created(session: UnitOfWork, tenant: Tenant, actor: Actor) -> None:
    audit.record(
        session, actor=actor, action="tenant.create", tenant_id=tenant.id, after=named(tenant)
    )


def renamed(session: UnitOfWork, tenant: Tenant, before: dict[str, str], actor: Actor) -> None:
    """Record `tenant.rename`; `before` is `named` before the change."""
    audit.record(
        session,
        actor=actor,
        action="tenant.rename",
        tenant_id=tenant.id,
        before=before,
        after=named(tenant),
    )


def named(tenant: Tenant) -> dict[str, str]:
    """Name and slug, as entries have them."""
    return {"name": tenant.name, "slug": tenant.slug}


def retried(session: UnitOfWork, tenant: Tenant, before: dict[str, Any], actor: Actor) -> None:
    """Record `tenant.retry`; `before` is `failure` before the change."""
    audit.record(
        session,
        actor=actor,
        action="tenant.retry",
        tenant_id=tenant.id,
        before=before,
        after={"status": PartitionState.PENDING},
    )


def failure(partition: Partition) -> dict[str, Any]:
    told = {"cause": partition.cause, "error": partition.error}
    return {"status": PartitionState.FAILED, **told}


def created_many(
    session: UnitOfWork, tenants: Sequence[Tenant], refused: int, actor: Actor
) -> None:
    """Record `tenants.create_many`, with how many were refused."""
    audit.record(
        session,
        actor=actor,
        action="tenants.create_many",
        after={**_many([tenant.id for tenant in tenants]), "refused": refused},
    )


def imported(session: UnitOfWork, tenant_ids: Sequence[int], actor: Actor) -> None:
    audit.record(session, actor=actor, action="tenants.import", after=_many(tenant_ids))


def _many(tenant_ids: Sequence[int]) -> dict[str, int]:
    return {"tenants": len(tenant_ids), "first": min(tenant_ids), "last": max(tenant_ids)}
