"""The pause of all provisioning: nothing begins, nothing is lost, and resume lets all go on."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from jobs.canary.schedule import CanarySchedule
from jobs.drift.observations import Observation, record_observation
from jobs.provisioning import create_partition, create_partitions
from tests.access import statements
from tests.engines.redis import RedisServer
from tests.factories import ACTOR, FaultyStore, ListingStore, Product, all_at_once, no_script
from webapp.db.types import utc_now
from webapp.errors import InvalidField
from webapp.models.causes import Cause
from webapp.models.control import Pause
from webapp.models.states import CanaryOutcome, DriftKind, PartitionState
from webapp.partitions.drift import drift_counts
from webapp.partitions.pause import under_way
from webapp.partitions.stuck import is_stuck
from webapp.partitions.summary import summary


def pause(product: Product, reason: str | None = None) -> None:
    product.services.pauses.pause(reason, actor=ACTOR)


def resume(product: Product) -> None:
    assert product.services.pauses.resume(actor=ACTOR)


# Who waits, and what goes on.


def test_sign_up_waits_undispatched_until_provisioning_resumes(product: Product) -> None:
    pause(product)
    tenant = product.create()
    assert product.row(tenant).state == PartitionState.PENDING
    assert product.queued() == []
    assert product.services.dispatcher.dispatch_due() == 0
    assert product.event_names(tenant) == ["requested"]
    product.age(tenant, "dispatch_after", 1)
    resume(product)
    assert len(product.queued()) == 1
    product.make_ready(tenant)
    assert product.event_names(tenant) == ["requested", "dispatched", "creating", "created"]


def test_job_claims_nothing_when_the_pause_came_first(product: Product) -> None:
    tenant, *others = (product.create(f"T{n}") for n in range(3))
    jobs = product.queued()
    pause(product)
    with product.as_worker(FaultyStore(), no_script):
        create_partition(tenant.id, 1)
        create_partitions([[other.id, 1] for other in others])
    for each in (tenant, *others):
        row = product.row(each)
        assert (row.state, row.attempts, row.lease_until) == (PartitionState.PENDING, 0, None)
        assert row.dispatch_after is not None
        assert row.dispatch_after <= utc_now()
    resume(product)
    again = {f"t{each.id}-g1-d2" for each in (tenant, *others)}
    assert set(product.queued()) - set(jobs) == again


def test_dispatch_is_not_noted_as_under_way_when_its_job_met_the_pause_before(
    simple: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher = simple.services.dispatcher
    push = dispatcher._job_queue.push

    def push_and_work(dispatches: Any, **options: Any) -> None:
        push(dispatches, **options)
        pause(simple)
        simple.claim(dispatches[0].tenant_id)

    monkeypatch.setattr(dispatcher._job_queue, "push", push_and_work)
    tenant = simple.create()
    assert simple.row(tenant).dispatch_after is not None


def test_attempt_ends_as_ever_when_a_pause_comes_while_it_runs(whole: Product) -> None:
    tenant = whole.create()
    busy = FaultyStore(whole.store)
    busy.before_creating = lambda: pause(whole)
    whole.work(busy, no_script)
    assert whole.row(tenant).state == PartitionState.READY


def test_second_attempt_waits_when_the_first_failed_during_a_pause(simple: Product) -> None:
    tenant = simple.create()
    (claim,) = simple.claim(tenant)
    pause(simple)
    simple.attempts.record_failure(claim, Cause.TIMEOUT, "slow", provider=None, duration_ms=1)
    simple.age(tenant, "next_attempt_at", 1)
    simple.age(tenant, "dispatch_after", 1)
    assert simple.services.dispatcher.dispatch_due() == 0
    assert simple.claim(tenant) == []
    resume(simple)
    assert len(simple.claim(tenant)) == 1


def test_request_goes_on_after_the_pause_when_its_worker_dies_in_it(simple: Product) -> None:
    tenant = simple.create()
    simple.claim(tenant)
    pause(simple)
    simple.age(tenant, "lease_until")
    assert simple.repair.expire_leases() == 1
    assert simple.claim(tenant) == []
    resume(simple)
    simple.make_ready(tenant)


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


def test_a_backfill_waits_and_goes_on_in_chunks_when_provisioning_resumes(simple: Product) -> None:
    numbers = simple.imported_tenants(250)
    pause(simple)
    assert simple.backfill(numbers).accepted == 250
    assert (simple.queued(), simple.states()) == ([], ["pending"] * 250)
    simple.write("UPDATE partition SET dispatch_after = requested_at")
    resume(simple)
    queue = simple.services.job_queue.backfill_queue
    assert len(simple.queued()) == len(queue) <= 250 / simple.settings.partition_chunk_size + 4
    assert sorted(pair[0] for job in queue.get_jobs() for pair in job.args[0]) == numbers
    assert simple.services.dispatcher.dispatch_due() == 0


def test_each_is_tried_by_itself_when_a_chunk_gave_it_up(simple: Product) -> None:
    tenants = [simple.create(f"T{n}") for n in range(25)]
    requests = [(tenant.id, 1) for tenant in tenants]
    claims = simple.attempts.claim(requests, "chunk-1")
    simple.attempts.hand_back(claims, "not made")
    assert simple.services.dispatcher.dispatch_due() == 25
    assert {f"t{tenant.id}-g1-d2" for tenant in tenants} <= set(simple.queued())


def test_nobody_is_lost_when_redis_forgets_everything_during_a_pause(
    simple: Product, spare_redis: Callable[..., RedisServer]
) -> None:
    redis = spare_redis()
    lossy = simple.configured(redis_url=redis.url)
    before = lossy.create("Before")
    pause(lossy)
    during = lossy.create("During")
    redis.flush()
    lossy.age(before, "dispatched_at", 4)
    lossy.age(during, "dispatch_after", 1)
    reconciler = lossy.reconciler(ListingStore())
    assert reconciler.sweep()
    assert lossy.queued() == []
    resume(lossy)
    assert reconciler.sweep()
    assert sorted(lossy.queued()) == [f"t{before.id}-g1-d2", f"t{during.id}-g1-d2"]


def test_one_attempt_is_made_of_each_when_workers_come_in_a_pause(whole: Product) -> None:
    first = [whole.create(f"A{n}") for n in range(3)]
    pause(whole)
    later = [whole.create(f"B{n}") for n in range(3)]
    whole.work()
    assert whole.states() == ["pending"] * 6
    for tenant in later:
        whole.age(tenant, "dispatch_after", 1)
    resume(whole)
    whole.work()
    assert whole.states() == ["ready"] * 6
    assert all(whole.event_names(tenant).count("created") == 1 for tenant in [*first, *later])


# What the reconciler leaves alone meanwhile.


def test_departure_waits_when_provisioning_is_paused(whole: Product) -> None:
    tenant = whole.create()
    whole.work()
    whole.delete(tenant)
    pause(whole)
    assert whole.remove_due() == 0
    assert whole.listed() == {f"tenant_{tenant.id}"}
    resume(whole)
    assert whole.remove_due() == 1


def test_no_drop_begins_when_a_pause_comes_after_its_claim(simple: Product) -> None:
    tenant = simple.create_ready()
    simple.delete(tenant)
    removal_claims = simple.removal_claims
    removals = removal_claims.claim(simple.collection, 10)
    pause(simple)
    assert removal_claims.begin(dict.fromkeys(removals, 0)) == []
    removal_claims.hand_back(removals)
    resume(simple)
    assert removal_claims.due_collections() == [simple.collection]


def test_missing_partition_is_not_made_again_when_provisioning_is_paused(simple: Product) -> None:
    tenant = simple.create_ready()
    pause(simple)
    reconciler = simple.reconciler(ListingStore())
    assert reconciler.sweep()
    assert simple.read(drift_counts, simple.services.policy)[DriftKind.MISSING] == 1
    assert simple.row(tenant).state == PartitionState.MISSING
    resume(simple)
    assert reconciler.sweep()
    assert simple.row(tenant).state == PartitionState.PENDING


def test_resurrected_partition_stays_when_provisioning_is_paused(simple: Product) -> None:
    tenant = simple.create_ready()
    simple.delete(tenant)
    simple.remove_due(ListingStore())
    store = ListingStore(f"tenant_{tenant.id}")
    pause(simple)
    simple.sweep(store)
    assert "drop" not in store.calls


def test_failed_one_waits_when_an_outage_ends_during_a_pause(simple: Product) -> None:
    seen, rested = simple.create("Seen"), simple.create("Rested")
    simple.fail(seen, Cause.MILVUS_UNREACHABLE)
    simple.fail(rested, Cause.RATE_LIMITED)
    simple.age(rested, "reopen_at")
    record_observation(
        simple.database, Observation(simple.collection, 1, None, Cause.MILVUS_UNREACHABLE, "x")
    )
    pause(simple)
    simple.sweep(ListingStore())
    # That the outage is over is seen once, and must not be forgotten; a rest can wait.
    assert simple.states() == ["pending", "failed"]
    assert f"t{seen.id}-g2-d2" not in simple.queued()
    resume(simple)
    simple.make_ready(seen)


def test_canary_makes_no_probes_when_provisioning_is_paused(simple: Product) -> None:
    store = FaultyStore()
    loop = CanarySchedule(simple.services, store, simple.settings)
    record_observation(simple.database, Observation(simple.collection, 1, 1, None, None))
    pause(simple)
    assert loop.run_if_due() is None
    assert loop.run_now().outcome == CanaryOutcome.NOT_RUN
    assert store.calls == []


# What is told of it.


def test_nobody_is_stuck_when_a_pause_kept_them_waiting(product: Product) -> None:
    tenant = product.create()
    policy = product.services.policy

    def stuck() -> tuple[int, bool]:
        counts = product.read(drift_counts, policy)
        last = product.read(summary, product.settings).last_pause
        return counts[DriftKind.STUCK], is_stuck(product.row(tenant), policy, last)

    product.ask_earlier(tenant, 86_400)
    assert stuck() == (1, True)
    pause(product)
    assert stuck() == (0, False)
    resume(product)
    assert stuck() == (0, False)
    let_pass(product, timedelta(hours=1))
    assert stuck() == (1, True)


def let_pass(product: Product, time: timedelta) -> None:
    product.write(update(Pause).values(resumed_at=utc_now() - time))


def test_the_first_pause_stands_when_several_pause_at_once(product: Product) -> None:
    pauses = product.services.pauses
    works = [lambda n=n: pauses.pause(f"reason {n}", actor=ACTOR) for n in range(4)]
    states = all_at_once(works)
    assert len(set(states)) == 1
    assert pauses.state() == states[0]
    assert [row.action for row in product.audited("provisioning.")] == ["provisioning.pause"]


def test_one_of_them_resumes_when_several_do_at_once(product: Product) -> None:
    pause(product)
    ended = all_at_once([lambda: product.services.pauses.resume(actor=ACTOR)] * 4)
    assert len([each for each in ended if each]) == 1
    assert [row.action for row in product.audited("provisioning.")] == [
        "provisioning.pause",
        "provisioning.resume",
    ]
    assert product.services.pauses.state() is None


def test_who_paused_and_why_is_on_record_when_somebody_does(simple: Product) -> None:
    with pytest.raises(InvalidField):
        pause(simple, "x" * 501)
    assert simple.services.pauses.state() is None
    pause(simple, "  Milvus\n2.6 upgrade ")
    state = simple.services.pauses.state()
    assert state is not None
    assert (state.by, state.reason) == (ACTOR.name, "Milvus 2.6 upgrade")
    (entry,) = simple.audited("provisioning.")
    assert (entry.actor, entry.target) == (ACTOR.name, "provisioning")
    assert "Milvus 2.6 upgrade" in (entry.after or "")
    assert simple.read(summary, simple.settings).paused == state


def test_attempts_and_drops_under_way_are_counted_when_somebody_asks(simple: Product) -> None:
    waiting, busy, removing = (simple.create(name) for name in ("W", "B", "L"))
    simple.claim(busy)
    simple.make_ready(removing)
    simple.delete(removing)
    simple.removal_claims.claim(simple.collection, 10)
    assert simple.read(under_way) == 2
    assert simple.row(waiting).state == PartitionState.PENDING


def test_claim_costs_no_question_more_when_nothing_is_paused(simple: Product) -> None:
    tenant = simple.create()
    with statements(simple.engine) as seen:
        simple.claim(tenant)
    assert [line.split()[0] for line in seen if "partition" in line] == ["UPDATE", "INSERT"]


def test_resume_holds_when_redis_is_gone_at_that_moment(simple: Product) -> None:
    pause(simple)
    tenant = simple.create()
    simple.age(tenant, "dispatch_after", 1)
    resume(simple.without_redis())
    simple.age(tenant, "dispatch_after", 1)
    assert simple.services.dispatcher.dispatch_due() == 1


def test_dispatching_looks_for_a_pause_once_when_many_sign_up_at_once(simple: Product) -> None:
    began = time.monotonic()
    with statements(simple.engine) as seen:
        for n in range(5):
            simple.create(f"T{n}")
    # Once a second, however long a busy machine takes.
    looks = len([line for line in seen if "pause" in line])
    assert 1 <= looks <= 1 + time.monotonic() - began
