"""The pause of all provisioning: nothing begins, nothing is lost, and resume lets all go on."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs.canary.schedule import CanarySchedule
from jobs.drift.observations import Observation, record_observation
from jobs.milvus.client import MilvusPartitionStore
from jobs.provisioning import create_partition, create_partitions
from tests.engines.redis import RedisServer
from tests.factories import ACTOR, FaultyStore, Product, all_at_once, no_script, statements
from webapp.db.types import utc_now
from webapp.errors import InvalidField
from webapp.models.audit import AuditEntry
from webapp.models.causes import Cause
from webapp.models.control import Pause
from webapp.models.states import CanaryOutcome, DriftKind, PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions.drift import drift_counts
from webapp.partitions.pause import under_way
from webapp.partitions.stuck import is_stuck
from webapp.partitions.summary import summary


def pause(product: Product, reason: str | None = None) -> None:
    product.services.pauses.pause(reason, actor=ACTOR)


def resume(product: Product) -> None:
    assert product.services.pauses.resume(actor=ACTOR)


def audited(product: Product) -> list[Any]:
    with product.database.reading() as session:
        audit_entries = select(AuditEntry).where(AuditEntry.action.startswith("provisioning."))
        return list(session.scalars(audit_entries.order_by(AuditEntry.id)))


class Listing(FaultyStore):
    """A Milvus that lists what the test says, and notes whoever would change it."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = frozenset({"_default", *names})

    def list_partitions(self, collection: str) -> frozenset[str]:
        return self.names

    def count_rows(self, collection: str, partition: str) -> int | None:
        return 0


# Who waits, and what goes on.


def test_sign_up_waits_undispatched_when_provisioning_is_paused(product: Product) -> None:
    pause(product)
    tenant = product.create()
    assert product.row(tenant).state == PartitionState.PENDING
    assert product.queued() == []
    assert product.services.dispatcher.dispatch_due() == 0
    assert product.event_names(tenant) == ["requested"]


def test_waiting_request_is_dispatched_at_once_when_provisioning_resumes(product: Product) -> None:
    pause(product)
    tenant = product.create()
    product.age(tenant, "dispatch_after", 1)
    resume(product)
    assert len(product.queued()) == 1
    product.make_ready(tenant)
    assert product.event_names(tenant) == ["requested", "dispatched", "creating", "created"]


def test_job_that_comes_too_late_claims_nothing_when_the_pause_came_first(
    product: Product,
) -> None:
    tenant = product.create()
    (job,) = product.queued()
    pause(product)
    with product.as_worker(FaultyStore(), no_script):
        create_partition(tenant.id, 1)
    row = product.row(tenant)
    assert (row.state, row.attempts, row.lease_until) == (PartitionState.PENDING, 0, None)
    assert row.dispatch_after is not None
    assert row.dispatch_after <= utc_now()
    resume(product)
    assert [id for id in product.queued() if id != job] == [f"t{tenant.id}-g1-d2"]


def test_every_request_of_a_chunk_waits_when_it_comes_during_a_pause(product: Product) -> None:
    tenants = [product.create(f"T{n}") for n in range(3)]
    pause(product)
    with product.as_worker(FaultyStore(), no_script):
        create_partitions([[tenant.id, 1] for tenant in tenants])
    assert product.states() == ["pending"] * 3
    assert all(product.row(tenant).dispatch_after for tenant in tenants)


def test_dispatch_is_not_noted_as_under_way_when_its_job_met_the_pause_before(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher = product.services.dispatcher
    push = dispatcher._job_queue.push

    def push_and_work(dispatches: Any, **options: Any) -> None:
        push(dispatches, **options)
        pause(product)
        product.claim(dispatches[0].tenant_id)

    monkeypatch.setattr(dispatcher._job_queue, "push", push_and_work)
    tenant = product.create()
    assert product.row(tenant).dispatch_after is not None


def test_attempt_ends_as_ever_when_a_pause_comes_while_it_runs(
    whole: Product, store: MilvusPartitionStore
) -> None:
    tenant = whole.create()
    busy = FaultyStore(store)
    busy.before_creating = lambda: pause(whole)
    whole.work(busy, no_script)
    assert whole.row(tenant).state == PartitionState.READY


def test_second_attempt_waits_when_the_first_failed_during_a_pause(product: Product) -> None:
    tenant = product.create()
    (claim,) = product.claim(tenant)
    pause(product)
    product.attempts.record_failure(claim, Cause.TIMEOUT, "slow", provider=None, duration_ms=1)
    product.age(tenant, "next_attempt_at", 1)
    product.age(tenant, "dispatch_after", 1)
    assert product.services.dispatcher.dispatch_due() == 0
    assert product.claim(tenant) == []
    resume(product)
    assert len(product.claim(tenant)) == 1


def test_request_goes_on_after_the_pause_when_its_worker_dies_in_it(product: Product) -> None:
    tenant = product.create()
    product.claim(tenant)
    pause(product)
    product.age(tenant, "lease_until")
    assert product.repair.expire_leases() == 1
    assert product.claim(tenant) == []
    resume(product)
    product.make_ready(tenant)


def test_requeue_by_hand_is_kept_as_a_request_when_provisioning_is_paused(simple: Product) -> None:
    tenant = simple.create()
    (job,) = simple.queued()
    simple.fail(tenant, Cause.AUTH, job)
    pause(simple)
    assert simple.attempts.claim([(tenant.id, 1)], job) == []
    assert simple.attempts.claim_requeued(tenant.id, 1, job) == []
    row = simple.row(tenant)
    assert (row.state, row.generation) == (PartitionState.PENDING, 2)
    resume(simple)
    simple.make_ready(tenant)


def test_backfill_makes_its_requests_and_dispatches_nobody_when_provisioning_is_paused(
    product: Product,
) -> None:
    numbers = product.imported_tenants(30)
    pause(product)
    assert product.backfill(numbers).accepted == 30
    assert product.queued() == []
    assert product.states() == ["pending"] * 30


def test_many_go_on_in_chunks_when_provisioning_resumes(simple: Product) -> None:
    numbers = simple.imported_tenants(450)
    pause(simple)
    simple.backfill(numbers)
    with simple.engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql("UPDATE partition SET dispatch_after = requested_at")
    resume(simple)
    jobs = simple.queued()
    chunk = simple.settings.partition_chunk_size
    assert len(jobs) <= 450 / chunk + 4
    requested = [pair[0] for job in jobs for pair in _job(simple, job).args[0]]
    assert sorted(requested) == numbers
    assert simple.services.dispatcher.dispatch_due() == 0


def _job(product: Product, job_id: str) -> Any:
    return product.services.job_queue.backfill_queue.fetch_job(job_id)


def test_each_is_tried_by_itself_when_a_chunk_gave_it_up(simple: Product) -> None:
    tenants = [simple.create(f"T{n}") for n in range(25)]
    requests = [(tenant.id, 1) for tenant in tenants]
    claims = simple.attempts.claim(requests, "chunk-1")
    simple.attempts.hand_back(claims, "not made")
    assert simple.services.dispatcher.dispatch_due() == 25
    assert {f"t{tenant.id}-g1-d2" for tenant in tenants} <= set(simple.queued())


def test_nobody_is_lost_when_redis_forgets_everything_during_a_pause(
    product: Product, spare_redis: Callable[..., RedisServer]
) -> None:
    redis = spare_redis()
    lossy = product.configured(redis_url=redis.url)
    before = lossy.create("Before")
    pause(lossy)
    during = lossy.create("During")
    redis.flush()
    lossy.age(before, "dispatched_at", 4)
    lossy.age(during, "dispatch_after", 1)
    reconciler = lossy.reconciler(Listing())
    assert reconciler.sweep()
    assert lossy.queued() == []
    resume(lossy)
    assert reconciler.sweep()
    assert sorted(lossy.queued()) == [f"t{before.id}-g1-d2", f"t{during.id}-g1-d2"]


def test_one_attempt_is_made_of_each_when_workers_come_during_a_pause_and_after(
    whole: Product, store: MilvusPartitionStore
) -> None:
    first = [whole.create(f"A{n}") for n in range(3)]
    pause(whole)
    later = [whole.create(f"B{n}") for n in range(3)]
    whole.work(store)
    assert whole.states() == ["pending"] * 6
    for tenant in later:
        whole.age(tenant, "dispatch_after", 1)
    resume(whole)
    whole.work(store)
    assert whole.states() == ["ready"] * 6
    assert all(whole.event_names(tenant).count("created") == 1 for tenant in [*first, *later])


# What the reconciler leaves alone meanwhile.


def test_departure_waits_when_provisioning_is_paused(
    whole: Product, store: MilvusPartitionStore
) -> None:
    tenant = whole.create()
    whole.work(store)
    whole.delete(tenant)
    pause(whole)
    assert whole.remove_due(store) == 0
    assert f"tenant_{tenant.id}" in store.list_partitions(whole.settings.milvus_collection)
    resume(whole)
    assert whole.remove_due(store) == 1


def test_no_drop_begins_when_a_pause_comes_after_its_claim(product: Product) -> None:
    tenant = product.create()
    product.make_ready(tenant)
    product.delete(tenant)
    removal_claims = product.removal_claims
    removals = removal_claims.claim(product.settings.milvus_collection, 10)
    pause(product)
    assert removal_claims.begin(dict.fromkeys(removals, 0)) == []
    removal_claims.hand_back(removals)
    resume(product)
    assert removal_claims.due_collections() == [product.settings.milvus_collection]


def test_missing_partition_is_only_reported_when_provisioning_is_paused(product: Product) -> None:
    tenant = product.create()
    product.make_ready(tenant)
    pause(product)
    reconciler = product.reconciler(Listing())
    assert reconciler.sweep()
    with product.database.reading() as session:
        counts = drift_counts(session, product.services.policy)
    assert counts[DriftKind.MISSING] == 1
    assert product.row(tenant).state == PartitionState.READY
    resume(product)
    assert reconciler.sweep()
    assert product.row(tenant).state == PartitionState.PENDING


def test_partition_that_came_back_is_not_dropped_when_provisioning_is_paused(
    simple: Product,
) -> None:
    tenant = simple.create()
    simple.make_ready(tenant)
    simple.delete(tenant)
    simple.remove_due(Listing())
    store = Listing(f"tenant_{tenant.id}")
    pause(simple)
    simple.sweep(store)
    assert "drop" not in store.calls


def test_failed_one_waits_when_an_outage_ends_during_a_pause(product: Product) -> None:
    seen, rested = product.create("Seen"), product.create("Rested")
    product.fail(seen, Cause.MILVUS_UNREACHABLE)
    product.fail(rested, Cause.RATE_LIMITED)
    product.age(rested, "reopen_at")
    collection = product.settings.milvus_collection
    record_observation(
        product.database, Observation(collection, 1, None, Cause.MILVUS_UNREACHABLE, "x")
    )
    pause(product)
    product.sweep(Listing())
    # That the outage is over is seen once, and must not be forgotten; a rest can wait.
    assert product.states() == ["pending", "failed"]
    assert f"t{seen.id}-g2-d2" not in product.queued()
    resume(product)
    product.make_ready(seen)


def test_canary_makes_no_probes_when_provisioning_is_paused(simple: Product) -> None:
    store = FaultyStore()
    loop = CanarySchedule(simple.services, store, simple.settings)
    collection = simple.settings.milvus_collection
    record_observation(simple.database, Observation(collection, 1, 1, None, None))
    pause(simple)
    assert loop.run_if_due() is None
    assert loop.run_now().outcome == CanaryOutcome.NOT_RUN
    assert store.calls == []


# What is told of it.


def test_nobody_is_stuck_when_a_pause_kept_them_waiting(product: Product) -> None:
    tenant = product.create()
    policy = product.services.policy

    def stuck() -> tuple[int, bool]:
        with product.database.reading() as session:
            counts = drift_counts(session, policy)
            last = summary(session, product.settings).last_pause
        return counts[DriftKind.STUCK], is_stuck(product.row(tenant), policy, last)

    product.age(tenant, "state_since", 86_400)
    assert stuck() == (1, True)
    pause(product)
    assert stuck() == (0, False)
    resume(product)
    assert stuck() == (0, False)
    let_pass(product, timedelta(hours=1))
    assert stuck() == (1, True)


def let_pass(product: Product, time: timedelta) -> None:
    with product.database.transaction() as session:
        session.execute(update(Pause).values(resumed_at=utc_now() - time))


def test_the_first_pause_stands_when_several_pause_at_once(product: Product) -> None:
    pauses = product.services.pauses
    works = [lambda n=n: pauses.pause(f"reason {n}", actor=ACTOR) for n in range(4)]
    states = all_at_once(works)
    assert len(set(states)) == 1
    assert pauses.state() == states[0]
    assert [row.action for row in audited(product)] == ["provisioning.pause"]


def test_one_of_them_resumes_when_several_do_at_once(product: Product) -> None:
    pause(product)
    ended = all_at_once([lambda: product.services.pauses.resume(actor=ACTOR)] * 4)
    assert len([each for each in ended if each]) == 1
    assert [row.action for row in audited(product)] == ["provisioning.pause", "provisioning.resume"]
    assert product.services.pauses.state() is None


def test_who_paused_and_why_is_on_record_when_somebody_does(product: Product) -> None:
    pause(product, "  Milvus\n2.6 upgrade ")
    state = product.services.pauses.state()
    assert state is not None
    assert (state.by, state.reason) == (ACTOR.name, "Milvus 2.6 upgrade")
    (entry,) = audited(product)
    assert (entry.actor, entry.target) == (ACTOR.name, "provisioning")
    assert "Milvus 2.6 upgrade" in entry.after
    with product.database.reading() as session:
        assert summary(session, product.settings).paused == state


def test_pause_is_refused_when_its_reason_is_too_long(simple: Product) -> None:
    with pytest.raises(InvalidField):
        pause(simple, "x" * 501)
    assert simple.services.pauses.state() is None


def test_attempts_and_drops_under_way_are_counted_when_somebody_asks(product: Product) -> None:
    waiting, busy, removing = (product.create(name) for name in ("W", "B", "L"))
    product.claim(busy)
    product.make_ready(removing)
    product.delete(removing)
    product.removal_claims.claim(product.settings.milvus_collection, 10)
    with product.services.database.reading() as session:
        assert under_way(session) == 2
    assert product.row(waiting).state == PartitionState.PENDING


def test_claim_costs_no_question_more_when_nothing_is_paused(product: Product) -> None:
    tenant = product.create()
    with statements(product.engine) as seen:
        product.claim(tenant)
    assert [line.split()[0] for line in seen if "partition" in line] == ["UPDATE", "INSERT"]


def test_resume_holds_when_redis_is_gone_at_that_moment(product: Product, tmp_path: Any) -> None:
    pause(product)
    tenant = product.create()
    product.age(tenant, "dispatch_after", 1)
    resume(product.configured(redis_url=f"unix://{tmp_path}/nobody.sock"))
    product.age(tenant, "dispatch_after", 1)
    assert product.services.dispatcher.dispatch_due() == 1


def test_everything_goes_on_when_whoever_resumed_died_before_dispatching(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause(product)
    tenants: list[Tenant] = [product.create(f"T{n}") for n in range(3)]
    for tenant in tenants:
        product.age(tenant, "dispatch_after", 1)
    with monkeypatch.context() as patch:
        patch.setattr(product.services.dispatcher, "dispatch_due", lambda *_: 0)
        resume(product)
    stop = threading.Event()
    stop.set()
    product.reconciler(Listing()).dispatch_due()
    assert len(product.queued()) == 3


def test_dispatching_looks_for_a_pause_once_when_many_sign_up_at_once(simple: Product) -> None:
    began = time.monotonic()
    with statements(simple.engine) as seen:
        for n in range(5):
            simple.create(f"T{n}")
    # Once a second, however long a busy machine takes.
    looks = len([line for line in seen if "pause" in line])
    assert 1 <= looks <= 1 + time.monotonic() - began
