"""What the audit entries of the use cases on tenants hold."""

from collections.abc import Sequence
from typing import Any

from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant


def named(tenant: Tenant) -> dict[str, str]:
    return {"name": tenant.name, "slug": tenant.slug}


def failure(partition: Partition) -> dict[str, Any]:
    told = {"cause": partition.cause, "error": partition.error}
    return {"status": PartitionState.FAILED, **told}


def many(tenant_ids: Sequence[int]) -> dict[str, int]:
    """How many tenants, with the first and the last number."""
    return {"tenants": len(tenant_ids), "first": min(tenant_ids), "last": max(tenant_ids)}
