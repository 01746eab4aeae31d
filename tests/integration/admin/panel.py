"""The panel as one user has it open, and the rows behind it."""

from collections.abc import Callable
from typing import Any

from rq.job import Job
from rq.registry import FailedJobRegistry
from sqlalchemy import update

from tests.access import Visitor
from tests.factories import ACTOR
from tests.processes import all_alive
from webapp.auth.roles import Role
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.observed import ObservedCollection
from webapp.models.partition import Partition
from webapp.models.states import CanaryOutcome, PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions.policy import CANARY_EVERY
from webapp.queue.job_queue import JobQueue
from webapp.services import Services

COLLECTION = "kb_chunks_v1"
MOST_QUERIES = 20
FOR_EVER = 9_999_999_999


class OpenPanel(Visitor):
    """What a user sees; and tenants in the state that a test wants, and what became of them."""

    @property
    def services(self) -> Services:
        services: Services = self.app.extensions["services"]
        return services

    @property
    def job_queue(self) -> JobQueue:
        return self.services.job_queue

    def add_tenant(self, name: str = "Acme") -> int:
        """A tenant whose partition is asked for; returns its number."""
        return self.services.tenants.create(name, actor=ACTOR).id

    def add_failed(self, name: str = "Acme", cause: Cause = Cause.TIMEOUT) -> int:
        """A tenant whose partition failed for this cause; returns its number."""
        tenant_id = self.add_tenant(name)
        failed = {"state": PartitionState.FAILED, "cause": cause, "error": f"error of {name}"}
        self.change(tenant_id, **failed, state_since=utc_now(), attempts=3)
        return tenant_id

    def add_failed_job(self, **fields: Any) -> str:
        """The job of a failed tenant in the failed registry, as a worker leaves it."""
        tenant_id, queue = self.add_failed(), self.job_queue.queue
        (job_id,) = [each for each in queue.get_job_ids() if each.startswith(f"t{tenant_id}-")]
        queue.remove(job_id)
        self.change(tenant_id, claimed_job_id=job_id)
        queue.connection.hset(Job.key_for(job_id), mapping={"status": "failed", **fields})
        queue.connection.zadd(FailedJobRegistry(queue=queue).key, {job_id: FOR_EVER})
        return job_id

    def change(self, tenant_id: int, **values: Any) -> None:
        """Put the tenant's partition into a condition that would take long to arise."""
        self.execute(update(Partition).where(Partition.tenant_id == tenant_id).values(values))

    def alive(self, seen_s_ago: float = 0) -> None:
        """Each process of the product, as it last showed that it works."""
        self.store(*all_alive(seen_s_ago))

    def observe(self, **values: Any) -> None:
        """The collection in use, as a sweep just saw and compared it, but for these values."""
        now = utc_now()
        seen = {
            **dict.fromkeys(("observed_at", "answered_at", "compared_at", "canary_at"), now),
            **{"partitions": 7, "latency_ms": 3, "canary_due_at": now + CANARY_EVERY},
            "canary_outcome": CanaryOutcome.PASSED,
        }
        self.store(ObservedCollection(collection=COLLECTION, **seen | values))

    def details(self, tenant_id: int, more: str = "") -> str:
        """The tenant's own page."""
        answer = self.get(f"/admin/tenant/details/?id={tenant_id}{more}")
        assert answer.status_code == 200
        return answer.text

    def tenant(self, tenant_id: int) -> Tenant:
        with self.database.reading() as session:
            return session.get_one(Tenant, tenant_id)

    def state(self, tenant_id: int) -> PartitionState:
        return self.tenant(tenant_id).partition.state

    def plan(self, statement: str, values: tuple[object, ...]) -> list[str]:
        """The steps in which SQLite answers the statement."""
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            return [str(row[-1]) for row in rows]


AsRole = Callable[[Role], OpenPanel]
