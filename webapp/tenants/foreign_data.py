"""An operator's decision about pre-existing rows: adopt them, or destroy them."""

from dataclasses import dataclass
from functools import partialmethod

from sqlalchemy import and_

from webapp.audit import log as audit
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.errors import NotForeign
from webapp.idempotency import WITHOUT_KEY, Idempotency
from webapp.models.audit import Actor
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import IfExists, PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions import events
from webapp.partitions.dispatcher import Dispatcher
from webapp.partitions.policy import Policy
from webapp.partitions.requests import request_again
from webapp.tenants.queries import existing_tenant


@dataclass(frozen=True)
class Decision:
    """A decision, and its names in the audit and the timeline."""

    if_exists: IfExists
    action: str
    event: str


ADOPT = Decision(IfExists.ADOPT, "tenant.adopt", events.ADOPT_REQUESTED)
EMPTY = Decision(IfExists.EMPTY, "tenant.empty", events.EMPTY_REQUESTED)


class ForeignData:
    """Decisions about partitions that failed for `foreign_data`."""

    def __init__(self, database: Database, dispatcher: Dispatcher, policy: Policy) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._policy = policy

    def decide(
        self,
        decision: Decision,
        tenant_id: int,
        *,
        actor: Actor,
        idempotency: Idempotency = WITHOUT_KEY,
    ) -> Tenant:
        """Make a new request, whose attempt does with the rows what was decided.

        Raises:
            TenantNotFound: there never was such a tenant.
            NotForeign: its partition did not fail for `foreign_data`.
        """
        with self._database.transaction() as session:
            idempotency.begin(session)
            error = _error(existing_tenant(session, tenant_id))
            foreign = and_(Partition.tenant_id == tenant_id, Partition.cause == Cause.FOREIGN_DATA)
            attempts, now = self._policy.attempts, utc_now()
            rows = request_again(
                session, foreign, attempts, now, actor.request_id, decision.if_exists
            )
            if not rows:
                raise NotForeign(tenant_id)
            row = rows[0]
            entry = events.entry_of(row, decision.event, actor=actor.name, message=error)
            events.record(session, [entry])
            audit.record(
                session,
                actor=actor,
                action=decision.action,
                tenant_id=tenant_id,
                before={"status": PartitionState.FAILED, "error": error},
                after={"status": row.state, "if_exists": row.if_exists, "partition": row.name},
            )
            tenant = existing_tenant(session, tenant_id)
            idempotency.finish(session, tenant)
            self._dispatcher.dispatch_after_commit(session, [row])
        return tenant

    # The attempt leaves the rows in place.
    adopt = partialmethod(decide, ADOPT)
    # The attempt drops the partition with the rows first.
    empty = partialmethod(decide, EMPTY)

    def rows_seen(self, tenant_id: int) -> str:
        """The rows that the failed attempt found, in words.

        Raises:
            TenantNotFound, NotForeign: as in `decide`.
        """
        with self._database.reading() as session:
            return _error(existing_tenant(session, tenant_id))


def _error(tenant: Tenant) -> str:
    row = tenant.partition
    if row.state != PartitionState.FAILED or row.cause != Cause.FOREIGN_DATA:
        raise NotForeign(tenant.id)
    return row.error or ""
