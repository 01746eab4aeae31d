"""What the audit says of each use case of tenants: one entry for what a human asked for."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from webapp.audit import log as audit
from webapp.models.audit import Actor
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant


def created(session: Session, tenant: Tenant, actor: Actor) -> audit.Deed:
    """A tenant was made."""
    return audit.write(
        session,
        actor=actor,
        action="tenant.create",
        tenant_id=tenant.id,
        after=named(tenant),
    )


def renamed(session: Session, tenant: Tenant, before: dict[str, str], actor: Actor) -> audit.Deed:
    """A tenant got another name or slug; `before` is what `named` said then."""
    return audit.write(
        session,
        actor=actor,
        action="tenant.rename",
        tenant_id=tenant.id,
        before=before,
        after=named(tenant),
    )


def named(tenant: Tenant) -> dict[str, str]:
    """What people call a tenant."""
    return {"name": tenant.name, "slug": tenant.slug}


def retried(session: Session, tenant: Tenant, before: dict[str, Any], actor: Actor) -> audit.Deed:
    """A failed tenant got a new wish; `before` is what `failure` said of it."""
    return audit.write(
        session,
        actor=actor,
        action="tenant.retry",
        tenant_id=tenant.id,
        before=before,
        after={"status": PartitionState.PENDING},
    )


def failure(partition: Partition | None) -> dict[str, Any]:
    """Why a partition failed."""
    if partition is None:
        return {}
    told = {"cause": partition.cause, "error": partition.error}
    return {"status": PartitionState.FAILED, **told}


def retried_many(
    session: Session, failed: Sequence[int], cause: Cause | None, actor: Actor
) -> audit.Deed:
    """Those that failed are to be tried again; written with the first of them."""
    return audit.write(
        session,
        actor=actor,
        action="partitions.retry",
        before={"status": PartitionState.FAILED, "cause": cause},
        after={"status": PartitionState.PENDING, **_many(failed)},
    )


def created_many(
    session: Session, tenants: Sequence[Tenant], refused: int, actor: Actor
) -> audit.Deed:
    """Tenants were made, some of them refused."""
    return audit.write(
        session,
        actor=actor,
        action="tenants.create_many",
        after={**_many([tenant.id for tenant in tenants]), "refused": refused},
    )


def imported(session: Session, tenant_ids: Sequence[int], actor: Actor) -> audit.Deed:
    """Tenants of before were taken over."""
    return audit.write(session, actor=actor, action="tenants.import", after=_many(tenant_ids))


def backfilled(
    session: Session, tenant_ids: Sequence[int], adopting: int, actor: Actor
) -> audit.Deed:
    """Partitions of many are asked for; written with the first of them."""
    rows = {"adopting": adopting} if adopting else {}
    return audit.write(
        session, actor=actor, action="partitions.backfill", after={**_many(tenant_ids), **rows}
    )


def _many(tenant_ids: Sequence[int]) -> dict[str, int]:
    return {"tenants": len(tenant_ids), "first": min(tenant_ids), "last": max(tenant_ids)}
