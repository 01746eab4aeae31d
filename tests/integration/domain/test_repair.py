"""What the reconciler repairs: lost dispatches, dead workers, outages; and what that costs."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs.drift.observations import Observation, last_cause, record_observation
from jobs.milvus.store import StoreError
from tests.access import statements
from tests.engines.lite import LiteServer
from tests.engines.process import wait_until
from tests.engines.redis import RedisServer
from tests.factories import FaultyStore, ListingStore, Product, all_at_once
from tests.milvus_collections import make_collection
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Leadership
from webapp.models.observed import ObservedCollection
from webapp.models.tenant import Tenant

LONG = timedelta(minutes=1)


def sweep(product: Product, store: FaultyStore | None = None) -> None:
    product.sweep(store or ListingStore())


def silent(cause: Cause) -> ListingStore:
    """A Milvus that answers no listing but with this cause."""
    milvus = ListingStore()
    milvus.listing = StoreError(cause, "as the test has it")
    return milvus


def pause_s(product: Product, tenant: Tenant) -> int:
    """How long a failed request rests before the sweep tries it again."""
    row = product.row(tenant)
    assert row.reopen_at is not None
    return round((row.reopen_at - row.state_since).total_seconds())


def test_nobody_is_kept_from_writing_when_nothing_is_due(simple: Product) -> None:
    simple.create()
    with simple.database.transaction() as another:
        another.execute(select(1))
        assert simple.repair.expire_leases() == 0
        assert simple.services.dispatcher.dispatch_due() == 0


# Dispatches.


def test_request_is_dispatched_before_a_sweep_when_nobody_did(simple: Product) -> None:
    tenant = simple.without_redis().create()
    simple.change(tenant, dispatch_after=simple.row(tenant).requested_at + timedelta(seconds=2))
    with simple.reconciling(ListingStore()):
        job_id = wait_until(lambda: simple.row(tenant).job_id, 5, "the dispatch")
    assert job_id == f"t{tenant.id}-g1-d2"


def test_requests_are_dispatched_again_when_redis_lost_everything(
    simple: Product, spare_redis: Callable[..., RedisServer]
) -> None:
    redis = spare_redis()
    lossy = simple.configured(redis_url=redis.url)
    tenants = [lossy.create(f"T{n}") for n in range(3)]
    redis.flush()
    assert lossy.repair.redispatch_lost() == 0
    for tenant in tenants:
        lossy.age(tenant, "dispatched_at", 4)
    sweep(lossy)
    assert lossy.queued() == [f"t{tenant.id}-g1-d2" for tenant in tenants]
    assert lossy.repair.redispatch_lost() == 0


def test_no_job_is_dispatched_twice_when_the_queue_is_long(simple: Product) -> None:
    for n in range(12):
        simple.age(simple.create(f"T{n}"), "dispatched_at")
    with statements(simple.engine) as seen:
        assert simple.repair.redispatch_lost() == 0
    assert len([line for line in seen if line.startswith("SELECT")]) == 1
    assert len(simple.queued()) == 12


def test_other_steps_run_when_redis_is_down(simple: Product) -> None:
    tenant = simple.create()
    simple.claim(tenant)
    simple.age(tenant, "lease_until")
    sweep(simple.without_redis())
    assert simple.row(tenant).state == "pending"


# Leases.


def test_request_waits_again_when_its_worker_died_until_its_last_attempt(product: Product) -> None:
    tenant = product.create()
    for attempt in (1, 2, 3):
        product.claim(tenant)
        assert product.repair.expire_leases() == 0
        product.age(tenant, "lease_until", 1)
        assert product.repair.expire_leases() == 1
        row = product.row(tenant)
        assert (row.state, row.attempts) == ("failed" if attempt == 3 else "pending", attempt)
        ended = "create_failed" if attempt == 3 else "lease_expired"
        assert product.event_names(tenant)[-1] == ended
        assert product.services.dispatcher.dispatch_due() == (attempt < 3)
    assert row.cause == "unexpected"


def test_pause_grows_when_workers_die_in_each_reopened_attempt(simple: Product) -> None:
    tenant = simple.create_failed(Cause.UNEXPECTED)
    pauses = []
    for _ in range(7):
        simple.age(tenant, "reopen_at", 1)
        simple.repair.reopen(simple.collection, [])
        simple.claim(tenant, simple.row(tenant).generation)
        simple.age(tenant, "lease_until", 1)
        assert simple.repair.expire_leases() == 1
        pauses.append(pause_s(simple, tenant))
    assert pauses == [30, 60, 120, 240, 300, 300, 300]


# Causes that come and go.


def test_outage_is_over_for_all_at_once_when_milvus_answers_again(product: Product) -> None:
    tenants = [product.create(f"T{n}") for n in range(3)]
    for tenant in tenants:
        product.fail(tenant, Cause.MILVUS_UNREACHABLE)
    milvus = silent(Cause.MILVUS_UNREACHABLE)
    sweep(product, milvus)
    assert product.states() == ["failed"] * 3
    milvus.listing = None
    sweep(product, milvus)
    row = product.row(tenants[0])
    assert (row.state, row.generation, row.max_attempts) == ("pending", 2, 1)
    assert product.event_names(tenants[0])[-2:] == ["reopened", "dispatched"]
    assert product.events(tenants[0])[-2].actor == "sweep"


def test_pause_grows_to_five_minutes_when_a_reopened_one_fails_again(product: Product) -> None:
    tenant = product.create_failed(Cause.UNEXPECTED)
    pauses = []
    for _ in range(7):
        pauses.append(pause_s(product, tenant))
        assert product.repair.reopen(product.collection, []) == 0
        product.age(tenant, "reopen_at", 1)
        assert product.repair.reopen(product.collection, []) == 1
        product.fail(tenant, Cause.UNEXPECTED)
    assert pauses == [15, 30, 60, 120, 240, 300, 300]


def test_cause_is_corrected_when_the_collection_is_missing(product: Product) -> None:
    waiting, failed = product.create("Waiting"), product.create("Failed")
    product.fail(failed, Cause.MILVUS_UNREACHABLE)
    (claim,) = product.claim(waiting)
    product.attempts.record_failure(claim, Cause.TIMEOUT, "slow", provider=None, duration_ms=1)
    milvus = silent(Cause.COLLECTION_MISSING)
    sweep(product, milvus)
    rows = [product.row(tenant) for tenant in (waiting, failed)]
    assert [(row.state, row.cause, row.attempts) for row in rows] == [
        ("pending", "collection_missing", 1),
        ("failed", "collection_missing", 3),
    ]
    told = product.event_names(failed).count("cause_changed")
    sweep(product, milvus)
    assert product.event_names(failed).count("cause_changed") == told == 1


def test_everything_goes_on_when_the_missing_collection_is_created(
    whole: Product, milvus_lite: LiteServer
) -> None:
    name = "made_later_" + whole.settings.partition_queue.replace("-", "_")
    early = whole.configured(milvus_collection=name)
    tenant = early.create()
    early.work()
    assert early.row(tenant).cause == "collection_missing"
    make_collection(milvus_lite.uri, name=name)
    early.sweep()
    early.work()
    assert early.row(tenant).state == "ready"
    assert early.failed_jobs() == []


def test_untouched_requests_move_when_the_collection_was_corrected(simple: Product) -> None:
    wrong = simple.configured(milvus_collection="wrong")
    untouched, touched, ready = (wrong.create(f"T{n}") for n in range(3))
    wrong.fail(untouched, Cause.COLLECTION_MISSING)
    wrong.attempts.renew(wrong.claim(touched), seen_absent=True)
    wrong.change(touched, state="pending")
    wrong.make_ready(ready)
    sweep(simple)
    collections = [simple.row(tenant).collection for tenant in (untouched, touched, ready)]
    assert collections == [simple.collection, "wrong", "wrong"]
    assert simple.row(untouched).state == "pending"


def test_no_more_are_reopened_than_fit_when_a_full_collection_has_room(product: Product) -> None:
    for n in range(4):
        tenant = product.create(f"T{n}")
        product.fail(tenant, Cause.CAPACITY)
        product.age(tenant, "reopen_at", 1)
    sweep(product.configured(milvus_max_partitions=3))
    assert product.states() == ["pending", "pending", "failed", "failed"]


def test_full_ones_are_left_in_peace_when_the_server_knows_a_lower_limit(simple: Product) -> None:
    """The settings promise room, the server refuses: the sweep must not try at every turn."""
    tenant = simple.create_failed(Cause.CAPACITY)
    for _ in range(3):
        sweep(simple)
    assert simple.row(tenant).generation == 1
    simple.age(tenant, "reopen_at", 1)
    sweep(simple)
    assert simple.row(tenant).generation == 2


def test_failed_one_stays_when_the_sweep_cannot_know_the_cause_is_over(simple: Product) -> None:
    causes = (Cause.AUTH, Cause.FOREIGN_DATA, Cause.INVALID_NAME, Cause.PARTITION_KEY_MODE)
    for cause in causes:
        simple.fail(simple.create(), cause)
    sweep(simple)
    assert simple.states() == ["failed"] * 4


@pytest.mark.parametrize("cause", [Cause.AUTH, Cause.PARTITION_KEY_MODE])
def test_one_tries_and_the_others_follow_when_only_a_creation_is_refused(
    simple: Product, cause: Cause
) -> None:
    tenants = [simple.create(f"T{n}") for n in range(4)]
    for tenant in tenants:
        simple.fail(tenant, cause)
        simple.age(tenant, "reopen_at", 1)
    sweep(simple)
    assert simple.states() == ["pending", "failed", "failed", "failed"]
    simple.fail(tenants[0], cause)
    sweep(simple)
    assert simple.states() == ["failed", "pending", "failed", "failed"]
    simple.make_ready(tenants[1])
    sweep(simple, ListingStore("tenant_2"))
    assert simple.states() == ["pending", "ready", "pending", "pending"]


def test_failed_ones_are_tried_again_in_a_better_collection(simple: Product) -> None:
    wrong = simple.configured(milvus_collection="wrong")
    keyed, foreign = wrong.create("Keyed"), wrong.create("Foreign")
    wrong.fail(keyed, Cause.PARTITION_KEY_MODE)
    wrong.fail(foreign, Cause.FOREIGN_DATA)
    sweep(simple)
    assert simple.states() == ["pending", "failed"]
    assert simple.row(keyed).collection == simple.collection


@pytest.mark.parametrize(
    ("failed_of", "seen", "rests"),
    [
        (Cause.AUTH, [Cause.AUTH], False),
        (Cause.MILVUS_UNREACHABLE, [Cause.MILVUS_UNREACHABLE, Cause.RATE_LIMITED], False),
        (Cause.MILVUS_UNREACHABLE, [Cause.AUTH, Cause.MILVUS_UNREACHABLE], True),
    ],
)
def test_failed_ones_go_on_when_sweeps_were_refused_too_and_one_is_answered(
    simple: Product, failed_of: Cause, seen: list[Cause], rests: bool
) -> None:
    tenant = simple.create_failed(failed_of)
    for cause in seen:
        sweep(simple, silent(cause))
    if rests:
        # The refusal replaced the outage as the cause; its end is not seen, but tried.
        assert simple.row(tenant).cause == Cause.AUTH
        simple.age(tenant, "reopen_at", 1)
    sweep(simple)
    assert simple.row(tenant).state == "pending"


@pytest.mark.parametrize("cause", Cause)
def test_failed_one_goes_on_by_itself_whatever_a_listing_failed_of(
    simple: Product, cause: Cause
) -> None:
    """What a listing says of one partition is true of none: stored, it would stay for ever."""
    tenant = simple.create_failed(Cause.TIMEOUT)
    sweep(simple, silent(cause))
    assert simple.row(tenant).cause in {Cause.TIMEOUT, Cause.COLLECTION_MISSING, Cause.AUTH}
    if simple.row(tenant).reopen_at:
        simple.age(tenant, "reopen_at", 1)
    sweep(simple)
    assert simple.row(tenant).state == "pending"


def test_failed_job_is_forgotten_when_its_tenant_fails_no_more(whole: Product) -> None:
    tenant = whole.create()
    whole.work(FaultyStore(whole.store, creating=StoreError(Cause.AUTH, "refused")))
    assert len(whole.failed_jobs()) == 1
    assert whole.repair.drop_stale_failed_jobs() == 0
    whole.change(tenant, state="ready")
    assert whole.repair.drop_stale_failed_jobs() == 1
    assert whole.failed_jobs() == []


# Whose turn it is, and what was seen.


def test_one_sweeps_when_several_replicas_begin_at_once(product: Product) -> None:
    took = [lambda name=f"s{n}": product.lease(name).take(LONG) for n in range(6)]
    assert sorted(all_at_once(took)) == [False] * 5 + [True]
    assert not product.reconciler(ListingStore()).sweep()
    product.write(update(Leadership).values(held_until=utc_now()))
    assert product.lease("alive").take(LONG), "the sweeper has died"


def test_next_one_rests_when_a_sweep_ended_just_now(simple: Product) -> None:
    sweep(simple)
    assert not simple.reconciler(ListingStore()).sweep(rest=LONG)
    sweep(simple)


def test_another_sweeps_within_an_interval_when_the_sweeper_died(simple: Product) -> None:
    # Half an interval is how long a turn lasts that nobody lengthens.
    brief, milvus = simple.configured(reconcile_interval=2), ListingStore()
    assert brief.lease("dead").take(timedelta(seconds=1))
    began = time.monotonic()
    with brief.reconciling(milvus):
        wait_until(lambda: milvus.calls != [], 10, "a sweep")
    assert time.monotonic() - began < 6


def test_turn_is_kept_when_milvus_keeps_the_sweep_waiting_for_longer(simple: Product) -> None:
    brief, milvus = simple.configured(reconcile_interval=2), ListingStore()
    turn_s = 1.0
    others: list[bool] = []

    def meanwhile() -> None:
        until = time.monotonic() + 1.5 * turn_s
        while time.monotonic() < until:
            others.append(brief.reconciler(ListingStore()).sweep())
            threading.Event().wait(turn_s / 5)

    milvus.meanwhile = meanwhile
    sweep(brief, milvus)
    assert not any(others)


def test_sweeper_stops_when_another_took_its_turn_while_it_was_frozen(product: Product) -> None:
    milvus, now = ListingStore(), utc_now()
    replaced = update(Leadership).values(holder="other", held_until=now + LONG)
    milvus.meanwhile = lambda: product.write(replaced)
    assert not product.reconciler(milvus).sweep()
    assert product.read(Session.get_one, Leadership, "sweep").holder == "other"


def test_last_cause_and_last_answer_are_known(product: Product) -> None:
    database = product.database
    assert last_cause(database, "c") is None
    record_observation(database, Observation("c", 3, partitions=7))
    late = Observation("c", 9, cause=Cause.RATE_LIMITED)
    record_observation(database, Observation("c", 9, cause=Cause.TIMEOUT, error="slow"))
    record_observation(database, late)
    assert last_cause(database, "c") == Cause.TIMEOUT, "the newer one stands"
    seen = product.read(Session.get_one, ObservedCollection, "c")
    assert (seen.partitions, seen.cause) == (7, Cause.TIMEOUT)
    assert seen.answered_at is not None
    assert seen.answered_at < seen.observed_at
    record_observation(database, Observation("c", 3, partitions=8))
    assert last_cause(database, "c") is None


def test_dispatches_go_on_when_milvus_keeps_the_sweep_waiting(simple: Product) -> None:
    milvus, thawed = ListingStore(), threading.Event()
    milvus.meanwhile = lambda: thawed.wait(30)
    with simple.configured(reconcile_interval=0.2).reconciling(milvus):
        wait_until(lambda: milvus.calls, 5, "the sweep to ask Milvus")
        tenant = simple.create()
        simple.services.job_queue.queue.empty()
        simple.age(tenant, "dispatch_after", 1)
        wait_until(simple.queued, 5, "the dispatch")
        assert not thawed.is_set()
        thawed.set()


def test_sweep_costs_the_same_when_many_are_ready(product: Product) -> None:
    milvus = ListingStore()

    def cost(first: int, count: int) -> tuple[int, list[str]]:
        numbers = product.imported_tenants(count, first)
        product.backfill(numbers)
        product.services.job_queue.backfill_queue.empty()
        product.write("UPDATE partition SET state = 'ready'")
        milvus.names |= {f"tenant_{number}" for number in numbers}
        sweep(product, milvus)
        milvus.calls.clear()
        with statements(product.engine) as seen:
            sweep(product, milvus)
        # The turn is lengthened by the clock, not by what there is to do.
        return len([line for line in seen if "UPDATE leadership" not in line]), milvus.calls[:]

    assert cost(1, 10) == cost(11, 240)
    assert milvus.calls == ["list"]
