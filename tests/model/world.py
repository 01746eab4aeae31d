"""One product among models of Milvus and of time: what all lives of partitions happen in."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from redis import Redis
from rq import Queue
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import utcformat
from sqlalchemy.orm import Session

from jobs.milvus.store import StoreError
from tests.engines.redis import RedisServer
from tests.factories import ACTOR, Product, empty
from tests.model import laws
from tests.model.backup import Backup
from tests.model.clock import Clock, follow_clock
from tests.model.milvus import ANSWERS, KILLED, OF_A_PARTITION, WELL, Answer, InMemoryMilvus
from tests.model.watch import Step, Watch
from tests.model.workers import HeldProcess, HeldWorker, held_jobs
from webapp.errors import NotRestored
from webapp.halts.brake_state import brakes
from webapp.models.causes import Cause
from webapp.models.control import Installation
from webapp.models.partition import Partition
from webapp.models.states import IfExists, PartitionState
from webapp.partitions import events

T = TypeVar("T")

# A handful of tenants must be able to lose more than a few of their partitions.
MORE_THAN = 1

COLLECTION, OTHER = "kb_chunks_v1", "kb_chunks_v2"
LONG_S = 301
ROUNDS_AT_MOST = 30

PROCESSES_AT_MOST = 5

any_one = st.integers(0, 7)
# Most calls go well, or nothing would ever get far. Who is not answered any more stands frozen.
_answer = st.one_of(st.just(WELL), st.just(WELL), st.sampled_from(ANSWERS))
answers = st.lists(_answer, max_size=8)


class World(RuleBasedStateMachine):
    """Tenants, processes and faults on one real database and Redis; what must always hold."""

    def __init__(self, product: Product, redis: RedisServer) -> None:
        super().__init__()
        self.redis = redis
        self.clock = Clock()
        self.held = ExitStack()
        self.held.enter_context(follow_clock(self.clock))
        self.held.enter_context(held_jobs())
        self.held.enter_context(small_installation())
        empty(product.engine)
        redis.flush()
        var_dir = Path(self.held.enter_context(TemporaryDirectory()))
        self.products = [
            product.configured(
                var_dir=var_dir,
                redis_url=redis.url,
                milvus_collection=collection,
                partition_backoff=30,
                partition_grace=10,
                partition_attempts=2,
            )
            for collection in (COLLECTION, OTHER)
        ]
        self.pools = [p.services.job_queue.connection.connection_pool for p in self.products]
        self.product = self.products[0]
        names = [self.product.settings.partition_queue, self.product.settings.backfill_queue]
        # A connection of its own, which is never cut.
        own = self.held.enter_context(Redis.from_url(redis.url))
        self.queues = [Queue(n, connection=own, serializer=JSONSerializer) for n in names]
        self.milvus = InMemoryMilvus()
        self.milvus.has_numbers = True
        self.milvus.make_collection(name=COLLECTION)
        # Partitions whose rows are not known to be their tenant's.
        self.foreign: set[tuple[str, str]] = set()
        self.later: list[Callable[[], object]] = []
        self.processes: list[HeldProcess] = []
        self.claims: list[Partition] = []
        self.saw: set[tuple[str, str]] = set()
        # The database as it was at some time, and how often it was restored.
        self.backup: Backup | None = None
        self.incarnation = 0
        self.held.enter_context(identified_by(lambda: f"incarnation={self.incarnation}"))
        self.highest_number = 0
        self.was_paused = False
        self.was_held: dict[str, Cause] = {}
        # The partitions that Milvus refused by their name, and the causes.
        self.refused: set[tuple[str, Cause]] = set()
        # Tenants whose partition was made again after it was proven, until it is acknowledged.
        self.made_again: set[int] = set()
        self.watch = Watch(product.engine)
        self.now = self.look()

    # What is looked at.

    def row_of(self, number: int) -> Partition | None:
        return next((row for row in self.now.rows if row.tenant_id == number), None)

    def holds(self, claim: Partition) -> bool:
        """Whether nobody has overtaken the claim."""
        row = self.row_of(claim.tenant_id)
        assert row is not None
        return row.state == PartitionState.PROVISIONING and row.fence == claim.fence

    @property
    def ready(self) -> list[Partition]:
        return [row for row in self.now.rows if row.state == PartitionState.READY]

    @property
    def queued(self) -> list[str]:
        return [job for queue in self.queues for job in queue.get_job_ids()]

    @property
    def failed_jobs(self) -> list[str]:
        return [
            job
            for queue in self.queues
            for job in failed_registry(queue).get_job_ids(cleanup=False)
        ]

    @property
    def has_hands(self) -> bool:
        """Whether one more process may begin."""
        return len(self.processes) < PROCESSES_AT_MOST

    def pick(self, things: Sequence[T], which: int) -> T:
        return things[which % len(things)]

    def take(self, job_id: str) -> HeldProcess:
        """A worker with this job in hand, at its first call to Milvus."""
        worker = HeldWorker(self.product, self.milvus, self.later)
        self.processes.append(worker)
        worker.take(job_id, self.redis.url, utcformat(self.clock.now))
        self.after(worker)
        return worker

    def sweep(self, process: HeldProcess) -> None:
        """The reconciler's sweep, unless another one has its turn."""
        self.product.reconciler(process).sweep()

    def remove_due(self, process: HeldProcess) -> None:
        """The reconciler's work on tenants that are to go."""
        self.product.reconciler(process).remove_due(process.stop)

    def fulfil(self, process: HeldProcess) -> None:
        """The reconciler's work on requests about orphans."""
        self.product.reconciler(process).fulfil_requests(process.stop)

    def begin_at(
        self, work: Callable[[HeldProcess], object], said: Sequence[Answer] = ()
    ) -> HeldProcess:
        """A process at this work, answered so often."""
        process = HeldProcess(self.milvus, self.later)
        self.processes.append(process)
        process.start(lambda: work(process))
        self.after(process)
        self.answer(process, said)
        return process

    def finish(self, process: HeldProcess) -> None:
        while process.at is not None:
            process.go_on(WELL)
            self.after(process)

    def mend_redis(self) -> None:
        for product, pool in zip(self.products, self.pools, strict=True):
            product.services.job_queue.connection.connection_pool = pool

    def after(self, process: HeldProcess) -> None:
        """What must hold once a process has come to its next call, or to its end."""
        self.saw |= process.saw
        if process.at is None:
            self.processes.remove(process)
            assert process.error is None, process.error
        elif process.at[0] in {"create", "script", "drop"}:
            self.check_right(*process.at)

    def arrive(self) -> None:
        """The oldest call whose caller gave up takes its effect; nobody hears the answer."""
        with suppress(StoreError):
            self.later.pop(0)()

    def check_right(self, kind: str, collection: str, name: str) -> None:
        """Who is about to make or drop a partition holds a lease, and may not be called back."""
        assert self.is_compared(), f"{kind} before the database was compared"
        row = next(row for row in self.watch.rows() if row.name == name)
        assert row.collection == collection
        if kind == "drop":
            emptied = row.if_exists == IfExists.EMPTY
            assert emptied or (collection, name) not in self.foreign
            is_over = row.drop_began_at is not None or row.state == PartitionState.REMOVED
            assert is_over or (emptied and row.state == PartitionState.PROVISIONING)
            return
        if row.ready_at is not None and name not in self.milvus.collections.get(collection, {}):
            self.made_again.add(row.tenant_id)
        assert row.lease_until is not None, f"{name} is about to be made without a lease"
        assert row.lease_until > self.clock.now

    def live_places(self) -> set[tuple[str, str]]:
        """Where the partitions of tenants are or will be who have asked for one."""
        gone = {None, PartitionState.REMOVED}
        return {(row.collection, row.name) for row in self.watch.rows() if row.state not in gone}

    def answer(self, process: HeldProcess, said: Sequence[Answer]) -> None:
        """Answer its calls in turn, as far as it gets."""
        for answer in said:
            if process.at is not None:
                if answer.cause is not None:
                    self.note_refusal(*process.at, answer.cause)
                process.go_on(answer)
                self.after(process)

    def note_refusal(self, kind: str, collection: str, name: str, cause: Cause) -> None:
        self.refused.add((name, cause))

    def look(self) -> Step:
        step = self.watch.read()
        laws.check(step, self.clock.now)
        is_paused = self.product.services.pauses.is_on()
        if self.was_paused and is_paused:
            assert not any(change.is_claim for change in step.changes), "claimed in a pause"
        self.was_paused = is_paused
        if not self.is_compared():
            assert not any(change.is_claim for change in step.changes), "claimed uncompared"
        self.check_brakes(step)
        places = {row.tenant_id: (row.collection, row.name) for row in step.rows}
        adopted = {each.tenant_id for each in step.events if each.event == events.ADOPTED}
        # A step may have emptied one, and made it again.
        self.foreign = {place for place in self.foreign if self.milvus.holds_rows(*place)}
        for change in step.changes:
            if change.states == ("provisioning", "ready"):
                place = places[change.tenant_id]
                assert place in self.saw, "ready without proof"
                assert place not in self.foreign or change.tenant_id in adopted
                self.foreign.discard(place)
        self.saw = set()
        self.check_causes(step)
        return step

    def check_causes(self, step: Step) -> None:
        """No tenant has a cause that is true of a partition alone, unless it is true of its own."""
        for row in step.rows:
            if row.cause in OF_A_PARTITION:
                assert (row.name, row.cause) in self.refused, f"{row.name} was not {row.cause}"

    def is_compared(self) -> bool:
        """Whether Milvus was compared with this incarnation, or none was ever restored."""
        with Session(self.product.engine) as session:
            row = session.get(Installation, 1)
        is_known = row is None or row.identity == f"incarnation={self.incarnation}"
        return is_known and (row is None or row.suspected_at is None)

    def check_brakes(self, step: Step) -> None:
        """Behind a brake nothing is made again, and in another collection nothing at all."""
        rows = {row.tenant_id: row for row in step.rows}
        held = {brake.collection: brake.reason for brake in self.product.read(brakes)}
        for change in step.changes:
            row = rows.get(change.tenant_id)
            reason = held.get(row.collection) if row else None
            if row is None or reason is None or self.was_held.get(row.collection) != reason:
                continue
            assert change.states != ("missing", "pending"), "made again behind the brake"
            is_first = row.ready_at is None
            may_be_made = is_first and reason == Cause.PARTITIONS_GONE
            assert may_be_made or not change.is_claim, "claimed behind the brake"
        self.was_held = held
        for row in step.rows:
            if row.state == PartitionState.READY and row.tenant_id in self.made_again:
                assert row.rows_lost_at is not None, "made again, and not marked"

    def decide_all(self) -> None:
        """An operator releases every brake that can be released."""
        for brake in self.product.read(brakes):
            if brake.may_go_on:
                self.product.services.brakes.make_again(brake.collection, actor=ACTOR)
        with suppress(NotRestored):
            self.product.services.incarnations.acknowledge(actor=ACTOR)

    @invariant()
    def laws_hold(self) -> None:
        self.now = self.look()

    def teardown(self) -> None:
        """Everything heals by itself."""
        try:
            if sys.exc_info()[0] is None:
                self.heal()
        finally:
            for process in self.processes:
                process.go_on(KILLED)
            self.held.close()

    def heal(self) -> None:
        """No more faults: every tenant with a request ends with exactly its own partition."""
        self.mend_redis()
        self.milvus.make_collection(name=COLLECTION)
        self.milvus.make_collection(name=OTHER)
        self.product.services.pauses.resume(actor=ACTOR)
        while self.later:
            self.arrive()
        for process in list(self.processes):
            self.finish(process)
        self.live_on()
        # Twice: the retry of a request that failed otherwise may be the first to meet rows.
        for _ in range(2):
            gave_up = [row for row in self.now.rows if row.state == PartitionState.FAILED]
            assert all(self.has_attempt_event(row) for row in gave_up)
            for row in gave_up:
                if row.cause == Cause.FOREIGN_DATA:
                    self.product.services.foreign.adopt(row.tenant_id, actor=ACTOR)
            self.product.retry_failed()
            self.live_on()
        self.check_the_end()

    def live_on(self) -> None:
        """Let due loop, sweep and workers go on until nothing more happens."""
        for _ in range(ROUNDS_AT_MOST):
            self.clock.pass_by(LONG_S)
            reconciler = self.product.reconciler(self.milvus)
            reconciler.dispatch_due()
            assert reconciler.sweep()
            self.check_nobody_gone_is_ready()
            self.decide_all()
            self.finish(self.begin_at(self.remove_due))
            self.finish(self.begin_at(self.fulfil))
            while jobs := self.queued:
                self.finish(self.take(jobs[0]))
            self.now = self.look()
            if not any(_goes_on(row) for row in self.now.rows):
                return
        raise AssertionError("it never comes to rest")

    def check_nobody_gone_is_ready(self) -> None:
        """After a sweep, no tenant is called ready whose partition Milvus does not list."""
        for row in self.watch.rows():
            if row.state == PartitionState.READY:
                assert row.name in self.milvus.collections[row.collection], row.name

    def has_attempt_event(self, row: Partition) -> bool:
        """Whether it was an attempt that met a cause which no sweep can see to be over."""
        names = self.product.event_names(row.tenant_id)
        *_earlier, last = (name for name in names if name != "dispatched")
        return not row.cause.is_transient and last == "create_failed"

    def check_the_end(self) -> None:
        """The partitions that are wanted are there, each in its own place; no job left over."""
        gone = {t.id for t in self.now.tenants if t.deleted_at is not None}
        requested = [row for row in self.now.rows if row.is_requested]
        states = {row.tenant_id: row.state for row in requested}
        assert {states[number] for number in states.keys() - gone} <= {PartitionState.READY}
        assert {states[number] for number in gone} <= {PartitionState.REMOVED}
        wanted = {(row.collection, row.name) for row in requested if row.tenant_id not in gone}
        assert all(self.milvus.holds(*place) for place in wanted)
        assert self.failed_jobs == []


class NoTimer:
    """What would be written in the background a moment later is written now."""

    daemon = True

    def __init__(self, _wait_s: float, work: Callable[..., object], arguments: Sequence[object]):
        self.start = lambda: work(*arguments)


AT_ONCE = SimpleNamespace(Lock=threading.Lock, Thread=threading.Thread, Timer=NoTimer)


@contextmanager
def small_installation() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.drift.brake.MORE_THAN", MORE_THAN)
        patch.setattr("webapp.numbers.witness.threading", AT_ONCE)
        yield


@contextmanager
def identified_by(identity: Callable[[], str]) -> Iterator[None]:
    """Let the database have this identity: a restore of its rows gives it no other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("webapp.numbers.incarnation.identity_of", lambda *_: identity())
        yield


def failed_registry(queue: Queue) -> FailedJobRegistry:
    return FailedJobRegistry(queue=queue)


def _goes_on(row: Partition) -> bool:
    open_states = {
        PartitionState.PENDING,
        PartitionState.PROVISIONING,
        PartitionState.MISSING,
        PartitionState.REMOVING,
    }
    return row.state in open_states or row.reopen_at is not None
