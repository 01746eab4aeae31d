"""Acknowledges that the rows of one tenant may be lost."""

from webapp.audit import log as audit
from webapp.db.session import Database
from webapp.errors import NothingLost
from webapp.idempotency import WITHOUT_KEY, Idempotency
from webapp.models.audit import Actor
from webapp.models.partition import Partition
from webapp.models.tenant import Tenant
from webapp.partitions.rows_lost import acknowledge
from webapp.tenants.queries import existing_tenant
from webapp.times import rfc3339


class Losses:
    """Partitions that were lost and made again carry a mark until an operator takes it off."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acknowledge(
        self, tenant_id: int, *, actor: Actor, idempotency: Idempotency = WITHOUT_KEY
    ) -> Tenant:
        """Take the mark off the tenant's partition.

        Raises:
            TenantNotFound: there never was such a tenant.
            NothingLost: its partition has no mark, or is not ready yet.
            Repeated: see `Idempotency`.
        """
        with self._database.transaction() as session:
            idempotency.begin(session)
            lost_at = existing_tenant(session, tenant_id).partition.rows_lost_at
            if not acknowledge(session, Partition.tenant_id == tenant_id, actor):
                raise NothingLost(tenant_id)
            audit.record(
                session,
                actor=actor,
                action="tenant.acknowledge",
                tenant_id=tenant_id,
                before={"rows_lost_at": rfc3339(lost_at)},
            )
            tenant = existing_tenant(session, tenant_id)
            idempotency.finish(session, tenant)
        return tenant
