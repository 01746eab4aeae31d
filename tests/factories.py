"""What tests of the domain and its jobs are made of: a product on real engines, and its rows."""

import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from redis import Redis
from rq.registry import FailedJobRegistry
from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    Select,
    create_engine,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

import jobs.context
from jobs.context import Worker
from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.script import ScriptAnswer
from jobs.milvus.store import PartitionStore, Place, Request, StoreError
from jobs.provisioning.attempt import Attempt, Script
from jobs.provisioning.chunk import Chunk
from jobs.provisioning.circuit_breaker import CircuitBreaker
from jobs.provisioning.claims import Attempts, Outcome
from jobs.provisioning.leases import Leases
from jobs.queue_worker import PartitionWorker
from jobs.reconciler.loop import Reconciler
from jobs.reconciler.repair import Repair
from jobs.reconciler.rollup import Rollup
from jobs.removal.claims import RemovalClaims
from tests.milvus_collections import insert_rows
from webapp import create_app
from webapp.db.engine import engine_options, prepare_engine
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.halts.circuit_state import MILVUS, CircuitState
from webapp.leader import LeaderLease
from webapp.models.audit import Actor, AuditEntry, Via
from webapp.models.base import Model
from webapp.models.causes import Cause
from webapp.models.control import SWEEP, Circuit
from webapp.models.operation import Operation, OperationKind
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.states import PartitionState, Provider, Result
from webapp.models.tenant import Tenant
from webapp.operations.plan import Asked, next_ids
from webapp.operations.selection import Selection
from webapp.services import Services
from webapp.settings import Settings
from webapp.tenants.queries import DepartureRecord, departure_of

T = TypeVar("T")

NOBODY = "http://127.0.0.1:9"  # the discard port, where nothing listens
RESTART = {
    "postgresql": "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'",
    "sqlite": "DELETE FROM sqlite_sequence",
}
ACTOR = Actor("user:test@example.test", Via.PANEL)


def migrate(database_url: str, var_dir: Path) -> None:
    """Bring the database to the newest revision, as `flask db upgrade` does."""
    from flask_migrate import upgrade

    from webapp.extensions import db

    app = create_app(settings_for(var_dir, database_url=database_url))
    with app.app_context():
        upgrade()
        db.engine.dispose()


def open_engine(database_url: str) -> Engine:
    engine = create_engine(database_url, **engine_options(database_url))
    prepare_engine(engine)
    if engine.dialect.name == "sqlite":
        # What a crash of the machine would lose is of no use to tests.
        event.listen(engine, "connect", lambda each, _: each.execute("PRAGMA synchronous=OFF"))
    return engine


def empty(engine: Engine) -> None:
    """Delete every row, and let numbers begin anew; some ten times as quick as TRUNCATE."""
    with engine.execution_options(writes=True).begin() as connection, audit_open(connection):
        for name in _tables():
            connection.exec_driver_sql(f'DELETE FROM "{name}"')
        connection.exec_driver_sql(RESTART[engine.dialect.name])


@cache
def _tables() -> list[str]:
    return [table.name for table in reversed(Model.metadata.sorted_tables)]


@contextmanager
def audit_open(connection: Connection) -> Iterator[None]:
    """Let entries of the audit be deleted meanwhile, which nothing of the product can."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield
        connection.execute(text("SET LOCAL session_replication_role = origin"))
        return
    guards = connection.execute(
        text("SELECT name, sql FROM sqlite_master WHERE name LIKE 'audit_entry_no_%'")
    ).all()
    for guard in guards:
        connection.execute(text(f"DROP TRIGGER {guard.name}"))
    yield
    for guard in guards:
        connection.execute(text(guard.sql))


def settings_for(var_dir: Path, **values: Any) -> Settings:
    """Settings of a test: no Milvus answers, and pauses are short."""
    defaults: dict[str, Any] = {
        "var_dir": var_dir,
        "secret_key": "a secret of the tests",
        "milvus_uri": NOBODY,
        "milvus_timeout": 5,
        "partition_backoff": 0.1,
        "partition_queue": f"q-{uuid.uuid4().hex[:12]}",
    }
    return Settings(**(defaults | values))


def number_of(tenant: Tenant | int) -> int:
    """The tenant's number, whichever way it was given."""
    return tenant if isinstance(tenant, int) else tenant.id


def imported(number: int, name: str = "Before", slug: str = "before") -> Tenant:
    """A tenant without a request, as an import leaves it; not stored yet."""
    row = Partition(name=f"tenant_{number}", max_attempts=3)
    return Tenant(id=number, name=name, slug=slug, partition=row)


class UncommandedWorker(PartitionWorker):
    """Hears no commands of RQ: the thread that listens takes a quarter of a second to end."""

    def subscribe(self) -> None:
        """Start no thread."""


@dataclass
class Product:
    """The domain on one database and one Redis, and what a worker process would add."""

    settings: Settings
    engine: Engine
    milvus: MilvusPartitionStore | None = None
    database: Database = field(init=False)
    services: Services = field(init=False)

    def __post_init__(self) -> None:
        self.database = database = Database(self.engine)
        self.services = services = Services(self.settings, database)
        policy = services.policy
        self.attempts = Attempts(database, policy)
        self.circuit = CircuitBreaker(database, policy)
        self.repair = Repair(database, services.job_queue, services.dispatcher, policy)
        self.removal_claims = RemovalClaims(database, policy)
        self.rollup = Rollup(database, policy)

    def lease(self, holder: str, name: str = SWEEP) -> LeaderLease:
        """The part of a process of this name in an election."""
        return LeaderLease(self.database, name, holder)

    def configured(self, **values: Any) -> "Product":
        """The same product, as processes with other settings see it."""
        milvus = None if "milvus_uri" in values else self.milvus
        return Product(Settings(**(self.settings.model_dump() | values)), self.engine, milvus)

    def without_redis(self) -> "Product":
        """The same product, in processes that cannot reach Redis."""
        return self.configured(redis_url="unix:///nowhere/redis.sock")

    @property
    def collection(self) -> str:
        return self.settings.milvus_collection

    @property
    def store(self) -> MilvusPartitionStore:
        """The Milvus that the product has a collection in, if it has."""
        assert self.milvus is not None
        return self.milvus

    # Making and reading rows.

    def read(self, ask: Callable[..., T], *arguments: Any) -> T:
        """What the function answers that takes a session first."""
        with self.database.reading() as session:
            return ask(session, *arguments)

    def select(self, selected: Select[tuple[T]]) -> list[T]:
        """All values of the statement's one column."""
        with self.database.reading() as session:
            return list(session.scalars(selected))

    def write(self, statement: Executable | str, rows: Sequence[Any] | None = None) -> None:
        """Change the database past the use cases, in a transaction of its own."""
        executable = text(statement) if isinstance(statement, str) else statement
        with self.engine.execution_options(writes=True).begin() as connection:
            connection.execute(executable, rows)

    def create(self, name: str = "Acme", **values: Any) -> Tenant:
        return self.services.tenants.create(name, **{"actor": ACTOR, **values})

    def create_ready(self, name: str = "Acme") -> Tenant:
        """A tenant whose partition is ready by our rows; Milvus has heard of none."""
        tenant = self.create(name)
        self.make_ready(tenant)
        return tenant

    def create_failed(self, cause: Cause, name: str = "Acme") -> Tenant:
        tenant = self.create(name)
        self.fail(tenant, cause)
        return tenant

    def row(self, tenant: Tenant | int) -> Partition:
        return self.read(Session.get_one, Partition, number_of(tenant))

    def states(self) -> list[str]:
        """The states of all partitions, by the tenants' numbers."""
        requested = select(Partition.state).where(Partition.state.is_not(None))
        return [str(state) for state in self.select(requested.order_by(Partition.tenant_id))]

    def events(self, tenant: Tenant | int) -> list[PartitionEvent]:
        mine = select(PartitionEvent).where(PartitionEvent.tenant_id == number_of(tenant))
        return self.select(mine.order_by(PartitionEvent.id))

    def audited(self, actions: str = "") -> list[AuditEntry]:
        """The audit's entries whose action begins with this, oldest first."""
        chosen = select(AuditEntry).where(AuditEntry.action.startswith(actions))
        return self.select(chosen.order_by(AuditEntry.id))

    def event_names(self, tenant: Tenant | int) -> list[str]:
        """The short names of the timeline's events, oldest first."""
        return [row.event.removeprefix("milvus.partition.") for row in self.events(tenant)]

    def change(self, tenant: Tenant | int, **values: Any) -> None:
        """Put the row into a condition that would take long to arise."""
        mine = update(Partition).where(Partition.tenant_id == number_of(tenant))
        self.write(mine.values(**values))

    def age(self, tenant: Tenant | int, column: str, seconds: float = 3600) -> None:
        self.change(tenant, **{column: utc_now() - timedelta(seconds=seconds)})

    def ask_earlier(self, tenant: Tenant | int, seconds: float = 3600) -> datetime:
        """Put the only request of the tenant's need back; returns its moment."""
        moment = utc_now() - timedelta(seconds=seconds)
        need = ("requested_at", "last_requested_at", "waiting_since")
        self.change(tenant, **dict.fromkeys(need, moment))
        return moment

    def circuit_state(self) -> CircuitState:
        return CircuitState.of(self.read(Session.get, Circuit, MILVUS))

    def departure(self, tenant: Tenant | int) -> DepartureRecord:
        found = self.read(departure_of, number_of(tenant))
        assert found is not None
        return found

    def delete(self, *tenants: Tenant | int, due: bool = True) -> None:
        """Delete the tenants; `due` lets their grace time be over."""
        for tenant in tenants:
            self.services.tenants.delete(number_of(tenant), actor=ACTOR)
            if due:
                self.age(tenant, "remove_at", 1)

    def remove_due(self, store: PartitionStore | None = None) -> int:
        """What the reconciler does each second for those that are to go."""
        return self.reconciler(store).remove_due(threading.Event())

    def imported_tenants(self, count: int, first: int = 1) -> list[int]:
        """Tenants without a request, as an import leaves them."""
        numbers = list(range(first, first + count))
        rows = [{"id": n, "name": f"Before {n}", "slug": f"before-{n}"} for n in numbers]
        partitions = [
            {"tenant_id": n, "name": f"tenant_{n}", "max_attempts": 3, "generation": 0}
            for n in numbers
        ]
        self.write(insert(Tenant), rows)
        self.write(insert(Partition), partitions)
        return numbers

    def backfill(self, numbers: Sequence[int] | None = None, *, adopt: bool = False) -> Operation:
        """What `flask partitions backfill` does for these, or all; the operation as it ended."""
        chosen = Selection(tenant_ids=None if numbers is None else tuple(numbers))
        return self.operate(OperationKind.BACKFILL, chosen, adopt=adopt)

    def retry_failed(self, cause: Cause | None = None) -> Operation:
        """What `flask partitions retry` does; the operation as it ended."""
        return self.operate(OperationKind.RETRY, Selection.of_failed(cause))

    def operate(self, kind: OperationKind, chosen: Selection, *, adopt: bool = False) -> Operation:
        operations = self.services.operations
        operation_id = operations.ask(kind, chosen, actor=ACTOR, adopt=adopt).id
        while operations.advance(operation_id):
            pass
        return self.read(Session.get_one, Operation, operation_id)

    def backfillable(self, *numbers: int) -> list[int]:
        """Those that a backfill would take, without such as wait for a job that is lost."""
        asked = Asked(OperationKind.BACKFILL, Selection(tenant_ids=numbers or None), utc_now())
        return list(self.read(next_ids, asked, 0, 1000))

    # What Milvus holds.

    def listed(self) -> frozenset[str]:
        """The names of the collection's partitions, `_default` apart."""
        return self.store.list_partitions(self.collection) - {"_default"}

    def occupy(self, tenant: Tenant | int, rows: int = 0) -> None:
        """Let the tenant's partition exist already, with so many rows."""
        name = f"tenant_{number_of(tenant)}"
        self.store.create_partition(self.collection, name)
        if rows:
            insert_rows(self.settings.milvus_address, self.collection, name, rows)

    # What workers do, one step at a time.

    def claim(
        self, tenant: Tenant | int, generation: int = 1, job_id: str = "job"
    ) -> list[Partition]:
        return self.attempts.claim([(number_of(tenant), generation)], job_id)

    def make_ready(self, tenant: Tenant | int) -> None:
        claims = self.claim(tenant, self.row(tenant).generation)
        outcome = Outcome(Result.CREATED, Provider.SDK)
        assert self.attempts.record_ready(claims, outcome, 1)

    def fail(self, tenant: Tenant | int, cause: Cause, job_id: str = "job") -> None:
        while self.row(tenant).state != PartitionState.FAILED:
            self.change(tenant, next_attempt_at=None)
            (claim,) = self.claim(tenant, self.row(tenant).generation, job_id)
            assert self.attempts.record_failure(
                claim, cause, "as the test has it", provider=Provider.SDK, duration_ms=1
            )

    def attempt(
        self,
        store: PartitionStore,
        claim: Partition,
        script: Script | None = None,
        stop: threading.Event | None = None,
    ) -> Outcome:
        """One attempt of a worker that has the claim; without a script, that fails as well."""
        attempts, policy = self.attempts, self.services.policy
        leases, ends = Leases(attempts, [claim], policy.lease), stop or threading.Event()
        limit = policy.max_partitions
        return Attempt(store, script or no_script, attempts, leases, ends, limit).run(claim)

    def chunk(self, store: PartitionStore, stop: threading.Event | None = None) -> Chunk:
        attempts, policy = self.attempts, self.services.policy
        give_up_at = time.monotonic() + 60
        return Chunk(store, attempts, policy, stop or threading.Event(), give_up_at)

    def reconciler(self, store: PartitionStore | None = None) -> Reconciler:
        return Reconciler(self.services, store or self.store, self.settings)

    def sweep(self, store: PartitionStore | None = None) -> None:
        assert self.reconciler(store).sweep()

    @contextmanager
    def reconciling(self, store: PartitionStore) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self.reconciler(store).run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(40)
        assert not thread.is_alive()

    # The queue.

    def queued(self) -> list[str]:
        job_queue = self.services.job_queue
        return [*job_queue.queue.get_job_ids(), *job_queue.backfill_queue.get_job_ids()]

    def failed_jobs(self) -> list[str]:
        return self.services.job_queue.failed_job_ids()

    def requeue(self, job_id: str) -> None:
        FailedJobRegistry(queue=self.services.job_queue.queue).requeue(job_id)

    def work(
        self,
        store: PartitionStore | None = None,
        script: Script | None = None,
        jobs_at_most: int = 999,
    ) -> None:
        """Run the waiting jobs in this process, as a worker in burst mode does."""
        connection = Redis.from_url(self.settings.redis_address)
        names = [self.settings.partition_queue, self.settings.backfill_queue]
        worker = UncommandedWorker(names, connection)
        with self.as_worker(store, script), _handlers_kept():
            worker.work(burst=True, max_jobs=jobs_at_most, logging_level="WARNING")
        connection.close()

    @contextmanager
    def as_worker(
        self, store: PartitionStore | None = None, script: Script | None = None
    ) -> Iterator[Worker]:
        """Let the jobs of this process work for this product."""
        own = Worker(self.settings, self.services)
        store = store or self.milvus
        if store is not None:
            own.__dict__["store"] = store
        if script is not None:
            own.__dict__["script"] = script
        before = jobs.context.worker
        jobs.context.worker = lambda: own  # type: ignore[assignment]
        try:
            yield own
        finally:
            jobs.context.worker = before
            if store is None:
                own.store.close()


@contextmanager
def _handlers_kept() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def all_at_once(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each returns or raises, each in a thread of its own, all let go at one moment."""
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        gate.wait()
        try:
            return work()
        except Exception as error:  # noqa: BLE001  the test looks at it
            return error

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


@dataclass(eq=False)
class FaultyStore:
    """A real store, or none at all, with errors where a test wants them."""

    real: PartitionStore | None = None
    _: KW_ONLY
    listing: BaseException | None = None
    creating: BaseException | None = None
    counting: BaseException | None = None
    dropping: BaseException | None = None
    # Whether a call that ends in an error has done its work before.
    takes_effect: bool = False
    # Creations and drops are acknowledged, and nothing is done.
    lies: bool = False
    # The errors come for this partition alone.
    only_for: str = ""
    calls: list[str] = field(default_factory=list)
    before_creating: Callable[[], object] = field(default=lambda: None)
    before_dropping: Callable[[], object] = field(default=lambda: None)

    def locate(self, collection: str) -> Place:
        """As the real one; without one, every name is a collection's own."""
        return self.real.locate(collection) if self.real else Place(collection, 0)

    def list_partitions(self, collection: str) -> frozenset[str]:
        return self._call("list", self.listing, "list_partitions", collection)

    def create_partition(self, collection: str, partition: str) -> None:
        self.before_creating()
        self._call("create", self.creating, "create_partition", collection, partition)

    def count_rows(self, collection: str, partition: str) -> int | None:
        return self._call("count", self.counting, "count_rows", collection, partition)

    def count_each(self, collection: str, partitions: Sequence[str]) -> Mapping[str, int | None]:
        return self._call("count each", self.counting, "count_each", collection, partitions)

    def drop_partition(self, collection: str, partition: str) -> None:
        self.before_dropping()
        self._call("drop", self.dropping, "drop_partition", collection, partition)

    def call(self, request: Request[Any]) -> Any:
        if self.real is None:
            raise StoreError(Cause.MILVUS_UNREACHABLE, "there is no Milvus")
        return self.real.call(request)

    def close(self) -> None:
        """Nothing of its own to close."""

    def _call(self, kind: str, error: BaseException | None, method: str, *arguments: Any) -> Any:
        """As the real one, or the error, which may come after the effect."""
        self.calls.append(kind)
        if self.lies and kind in {"create", "drop"}:
            return None
        if self.only_for and self.only_for != arguments[-1]:
            error = None
        if error is None or self.takes_effect:
            result = getattr(self.real, method)(*arguments)
        if error:
            raise error
        return result


class ListingStore(FaultyStore):
    """No Milvus: it lists these names, after doing what the test wants meanwhile."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = frozenset({"_default", *names})
        self.meanwhile: Callable[[], object] = lambda: None

    def list_partitions(self, collection: str) -> frozenset[str]:
        self.calls.append("list")
        self.meanwhile()
        if self.listing:
            raise self.listing
        return self.names

    def count_rows(self, collection: str, partition: str) -> int | None:
        self.calls.append("count")
        return 0


def no_script(collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
    """A script that fails as well, or that the test does not expect to run."""
    raise StoreError(Cause.UNEXPECTED, "the script has failed too")
