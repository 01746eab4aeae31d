"""What the reconciler repairs: lost dispatches, dead workers, outages; and what that costs."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs.drift.observations import Observation, last_cause, record_observation
from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.store import StoreError
from tests.engines.lite import LiteServer
from tests.engines.process import wait_until
from tests.engines.redis import RedisServer
from tests.factories import FaultyStore, Product, all_at_once, statements
from tests.milvus_collections import make_collection
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Leadership
from webapp.models.observed import ObservedCollection

LONG = timedelta(minutes=1)


class Listing(FaultyStore):
    """A Milvus whose collections hold what the test says."""

    def __init__(self, names: frozenset[str] = frozenset({"_default"})) -> None:
        super().__init__()
        self.names = names
        self.meanwhile: Callable[[], None] = lambda: None

    def list_partitions(self, collection: str) -> frozenset[str]:
        self.calls.append(collection)
        self.meanwhile()
        if self.listing:
            raise self.listing
        return self.names


def sweep(product: Product, store: FaultyStore | None = None) -> None:
    product.sweep(store or Listing())


def test_nobody_is_kept_from_writing_when_nothing_is_due(simple: Product) -> None:
    simple.create()
    with simple.database.transaction() as another:
        another.execute(select(1))
        assert simple.repair.expire_leases() == 0
        assert simple.services.dispatcher.dispatch_due() == 0


# Dispatches.


def test_request_is_dispatched_long_before_a_sweep_when_its_maker_never_dispatched(
    simple: Product, tmp_path: Path
) -> None:
    deaf = simple.configured(redis_url=f"unix://{tmp_path}/nobody.sock")
    tenant = deaf.create()
    simple.change(tenant, dispatch_after=simple.row(tenant).requested_at + timedelta(seconds=2))
    with simple.reconciling(Listing()):
        job_id = wait_until(lambda: simple.row(tenant).job_id, 5, "the dispatch")
    assert job_id == f"t{tenant.id}-g1-d2"


def test_requests_are_dispatched_again_when_redis_lost_everything(
    product: Product, spare_redis: Callable[..., RedisServer]
) -> None:
    redis = spare_redis()
    lossy = product.configured(redis_url=redis.url)
    tenants = [lossy.create(f"T{n}") for n in range(3)]
    redis.flush()
    assert lossy.repair.redispatch_lost() == 0
    for tenant in tenants:
        lossy.age(tenant, "dispatched_at", 4)
    sweep(lossy)
    assert lossy.queued() == [f"t{tenant.id}-g1-d2" for tenant in tenants]
    assert lossy.repair.redispatch_lost() == 0


def test_no_job_is_dispatched_twice_when_the_queue_is_long(product: Product) -> None:
    for n in range(30):
        product.age(product.create(f"T{n}"), "dispatched_at")
    with statements(product.engine) as seen:
        assert product.repair.redispatch_lost() == 0
    assert len([line for line in seen if line.startswith("SELECT")]) == 1
    assert len(product.queued()) == 30


def test_other_steps_run_when_redis_is_down(product: Product, tmp_path: Path) -> None:
    tenant = product.create()
    product.claim(tenant)
    product.age(tenant, "lease_until")
    deaf = product.configured(redis_url=f"unix://{tmp_path}/nobody.sock")
    sweep(deaf)
    assert product.row(tenant).state == "pending"


# Leases.


def test_request_waits_again_when_its_worker_died(product: Product) -> None:
    tenant = product.create()
    product.claim(tenant)
    assert product.repair.expire_leases() == 0
    product.age(tenant, "lease_until", 1)
    assert product.repair.expire_leases() == 1
    row = product.row(tenant)
    assert (row.state, row.attempts) == ("pending", 1)
    assert product.event_names(tenant)[-1] == "lease_expired"
    assert product.services.dispatcher.dispatch_due() == 1


def test_request_fails_when_its_worker_died_in_the_last_attempt(product: Product) -> None:
    tenant = product.create()
    for _ in range(3):
        product.claim(tenant)
        product.age(tenant, "lease_until", 1)
    product.repair.expire_leases()
    row = product.row(tenant)
    assert (row.state, row.cause) == ("failed", "unexpected")
    assert product.event_names(tenant)[-1] == "create_failed"


def test_pause_grows_when_workers_die_in_each_reopened_attempt(product: Product) -> None:
    tenant = product.create()
    product.fail(tenant, Cause.UNEXPECTED)
    pauses = []
    for _ in range(7):
        product.age(tenant, "reopen_at", 1)
        product.repair.reopen(product.row(tenant).collection, [])
        product.claim(tenant, product.row(tenant).generation)
        product.age(tenant, "lease_until", 1)
        assert product.repair.expire_leases() == 1
        row = product.row(tenant)
        assert row.reopen_at is not None
        pauses.append(round((row.reopen_at - row.state_since).total_seconds()))
    assert pauses == [30, 60, 120, 240, 300, 300, 300]


# Causes that come and go.


def test_outage_is_over_for_all_at_once_when_milvus_answers_again(product: Product) -> None:
    tenants = [product.create(f"T{n}") for n in range(3)]
    for tenant in tenants:
        product.fail(tenant, Cause.MILVUS_UNREACHABLE)
    milvus = Listing()
    milvus.listing = StoreError(Cause.MILVUS_UNREACHABLE, "nobody listens")
    sweep(product, milvus)
    assert product.states() == ["failed"] * 3
    milvus.listing = None
    sweep(product, milvus)
    row = product.row(tenants[0])
    assert (row.state, row.generation, row.max_attempts) == ("pending", 2, 1)
    assert product.event_names(tenants[0])[-2:] == ["reopened", "dispatched"]
    assert product.events(tenants[0])[-2].actor == "sweep"


def test_pause_grows_to_five_minutes_when_a_reopened_one_fails_again(product: Product) -> None:
    tenant = product.create()
    product.fail(tenant, Cause.UNEXPECTED)
    pauses = []
    for _ in range(7):
        row = product.row(tenant)
        assert row.reopen_at is not None
        pauses.append(round((row.reopen_at - row.state_since).total_seconds()))
        assert product.repair.reopen(row.collection, []) == 0
        product.age(tenant, "reopen_at", 1)
        assert product.repair.reopen(row.collection, []) == 1
        product.fail(tenant, Cause.UNEXPECTED)
    assert pauses == [15, 30, 60, 120, 240, 300, 300]


def test_cause_is_corrected_without_an_attempt_when_the_collection_is_missing(
    product: Product,
) -> None:
    waiting, failed = product.create("Waiting"), product.create("Failed")
    product.fail(failed, Cause.MILVUS_UNREACHABLE)
    (claim,) = product.claim(waiting)
    product.attempts.record_failure(claim, Cause.TIMEOUT, "slow", provider=None, duration_ms=1)
    milvus = Listing()
    milvus.listing = StoreError(Cause.COLLECTION_MISSING, "not there")
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
    whole: Product, store: MilvusPartitionStore, milvus_lite: LiteServer
) -> None:
    name = "made_later_" + whole.settings.partition_queue.replace("-", "_")
    early = whole.configured(milvus_collection=name)
    tenant = early.create()
    early.work(store)
    assert early.row(tenant).cause == "collection_missing"
    make_collection(milvus_lite.uri, name=name)
    sweep(early, FaultyStore(store))
    early.work(store)
    assert early.row(tenant).state == "ready"
    assert early.failed_jobs() == []


def test_untouched_requests_move_when_the_collection_was_corrected(product: Product) -> None:
    wrong = product.configured(milvus_collection="wrong")
    untouched, touched, ready = (wrong.create(f"T{n}") for n in range(3))
    wrong.fail(untouched, Cause.COLLECTION_MISSING)
    wrong.attempts.renew(wrong.claim(touched), seen_absent=True)
    wrong.change(touched, state="pending")
    wrong.make_ready(ready)
    sweep(product)
    collections = [product.row(tenant).collection for tenant in (untouched, touched, ready)]
    assert collections == [product.settings.milvus_collection, "wrong", "wrong"]
    assert product.row(untouched).state == "pending"


def test_no_more_are_reopened_than_fit_when_a_full_collection_has_room(product: Product) -> None:
    tenants = [product.create(f"T{n}") for n in range(4)]
    for tenant in tenants:
        product.fail(tenant, Cause.CAPACITY)
        product.age(tenant, "reopen_at", 1)
    small = product.configured(milvus_max_partitions=3)
    sweep(small, Listing())
    assert product.states() == ["pending", "pending", "failed", "failed"]


def test_full_ones_are_left_in_peace_when_the_server_knows_a_lower_limit(
    product: Product,
) -> None:
    """The settings promise room, the server refuses: the sweep must not try at every turn."""
    tenant = product.create()
    product.fail(tenant, Cause.CAPACITY)
    for _ in range(3):
        sweep(product, Listing())
    assert product.row(tenant).generation == 1
    product.age(tenant, "reopen_at", 1)
    sweep(product, Listing())
    assert product.row(tenant).generation == 2


@pytest.mark.parametrize(
    "cause", [Cause.AUTH, Cause.FOREIGN_DATA, Cause.INVALID_NAME, Cause.PARTITION_KEY_MODE]
)
def test_failed_one_stays_when_the_sweep_cannot_know_the_cause_is_over(
    simple: Product, cause: Cause
) -> None:
    tenant = simple.create()
    simple.fail(tenant, cause)
    sweep(simple)
    assert simple.row(tenant).state == "failed"


def test_refused_ones_go_on_when_the_sweep_was_refused_too_and_is_let_in(
    simple: Product,
) -> None:
    tenant = simple.create()
    simple.fail(tenant, Cause.AUTH)
    milvus = Listing()
    milvus.listing = StoreError(Cause.AUTH, "refused")
    sweep(simple, milvus)
    milvus.listing = None
    sweep(simple, milvus)
    assert simple.row(tenant).state == "pending"


def test_outage_is_over_when_milvus_refused_something_before_it_answered(
    simple: Product,
) -> None:
    tenant = simple.create()
    simple.fail(tenant, Cause.MILVUS_UNREACHABLE)
    milvus = Listing()
    for cause in (Cause.MILVUS_UNREACHABLE, Cause.RATE_LIMITED):
        milvus.listing = StoreError(cause, "not yet")
        sweep(simple, milvus)
    milvus.listing = None
    sweep(simple, milvus)
    assert simple.row(tenant).state == "pending"


@pytest.mark.parametrize("cause", [Cause.AUTH, Cause.PARTITION_KEY_MODE])
def test_one_tries_and_the_others_follow_when_only_a_creation_is_refused(
    product: Product, cause: Cause
) -> None:
    tenants = [product.create(f"T{n}") for n in range(4)]
    for tenant in tenants:
        product.fail(tenant, cause)
        product.age(tenant, "reopen_at", 1)
    sweep(product)
    assert product.states() == ["pending", "failed", "failed", "failed"]
    product.fail(tenants[0], cause)
    sweep(product)
    assert product.states() == ["failed", "pending", "failed", "failed"]
    product.make_ready(tenants[1])
    sweep(product, Listing(frozenset({"tenant_2"})))
    assert product.states() == ["pending", "ready", "pending", "pending"]


def test_failed_ones_are_tried_again_when_they_move_to_a_better_collection(
    product: Product,
) -> None:
    wrong = product.configured(milvus_collection="wrong")
    keyed, foreign = wrong.create("Keyed"), wrong.create("Foreign")
    wrong.fail(keyed, Cause.PARTITION_KEY_MODE)
    wrong.fail(foreign, Cause.FOREIGN_DATA)
    sweep(product)
    assert product.states() == ["pending", "failed"]
    assert product.row(keyed).collection == product.settings.milvus_collection


def test_refused_ones_go_on_when_an_outage_came_between_the_refusal_and_the_answer(
    simple: Product,
) -> None:
    tenant = simple.create()
    simple.fail(tenant, Cause.MILVUS_UNREACHABLE)
    milvus = Listing()
    for cause in (Cause.AUTH, Cause.MILVUS_UNREACHABLE):
        milvus.listing = StoreError(cause, "as the test has it")
        sweep(simple, milvus)
    assert simple.row(tenant).cause == Cause.AUTH
    milvus.listing = None
    assert simple.row(tenant).reopen_at is not None
    simple.age(tenant, "reopen_at", 1)
    sweep(simple, milvus)
    assert simple.row(tenant).state == "pending"


def test_stale_failed_job_is_forgotten_when_its_tenant_is_not_failing_any_more(
    whole: Product, store: MilvusPartitionStore
) -> None:
    tenant = whole.create()
    whole.work(FaultyStore(store, creating=StoreError(Cause.AUTH, "refused")))
    assert len(whole.failed_jobs()) == 1
    assert whole.repair.drop_stale_failed_jobs() == 0
    whole.change(tenant, state="ready")
    assert whole.repair.drop_stale_failed_jobs() == 1
    assert whole.failed_jobs() == []


# Whose turn it is, and what was seen.


def test_one_sweeps_when_several_replicas_begin_at_once(product: Product) -> None:
    took = [lambda name=f"s{n}": product.lease(name).take(LONG) for n in range(6)]
    assert sorted(all_at_once(took)) == [False] * 5 + [True]
    assert not product.reconciler(Listing()).sweep()


def test_next_one_rests_when_a_sweep_ended_just_now(product: Product) -> None:
    sweep(product)
    assert not product.reconciler(Listing()).sweep(rest=LONG)
    product.sweep(Listing())


def test_another_sweeps_when_the_sweeper_died(product: Product) -> None:
    assert product.lease("dead").take(timedelta(seconds=-1))
    assert product.lease("alive").take(LONG)


def test_another_sweeps_within_an_interval_when_the_sweeper_died_in_the_middle(
    simple: Product,
) -> None:
    # Half an interval is how long a turn lasts that nobody lengthens.
    brief, milvus = simple.configured(reconcile_interval=2), Listing()
    assert brief.lease("dead").take(timedelta(seconds=1))
    began = time.monotonic()
    with brief.reconciling(milvus):
        wait_until(lambda: milvus.calls != [], 10, "a sweep")
    assert time.monotonic() - began < 6


def test_turn_is_kept_when_milvus_keeps_the_sweep_waiting_for_longer(simple: Product) -> None:
    brief, milvus = simple.configured(reconcile_interval=2), Listing()
    turn_s = 1.0
    others: list[bool] = []

    def meanwhile() -> None:
        until = time.monotonic() + 1.5 * turn_s
        while time.monotonic() < until:
            others.append(brief.reconciler(Listing()).sweep())
            threading.Event().wait(turn_s / 5)

    milvus.meanwhile = meanwhile
    sweep(brief, milvus)
    assert not any(others)


def test_sweeper_stops_when_another_took_its_turn_while_it_was_frozen(product: Product) -> None:
    milvus, now = Listing(), utc_now()

    def replaced() -> None:
        with product.engine.execution_options(writes=True).begin() as connection:
            connection.execute(update(Leadership).values(holder="other", held_until=now + LONG))

    milvus.meanwhile = replaced
    assert not product.reconciler(milvus).sweep()
    with Session(product.engine) as session:
        turn = session.get(Leadership, "sweep")
    assert turn is not None
    assert turn.holder == "other"


def test_last_cause_is_known_until_milvus_answers(product: Product) -> None:
    database = product.database
    assert last_cause(database, "c") is None
    record_observation(database, Observation("c", 9, cause=Cause.TIMEOUT, error="slow"))
    assert last_cause(database, "c") == Cause.TIMEOUT
    record_observation(database, Observation("c", 3, partitions=8))
    assert last_cause(database, "c") is None


def test_newer_observation_stands_when_a_sweeper_was_frozen(product: Product) -> None:
    database, late = product.database, Observation("c", 9, cause=Cause.TIMEOUT)
    record_observation(database, Observation("c", 3, partitions=8))
    record_observation(database, late)
    assert last_cause(database, "c") is None


def test_last_answer_is_kept_when_milvus_stops_answering(product: Product) -> None:
    record_observation(product.database, Observation("c", 3, partitions=7))
    record_observation(product.database, Observation("c", 9, cause=Cause.TIMEOUT, error="slow"))
    with Session(product.engine) as session:
        seen = session.get(ObservedCollection, "c")
    assert seen is not None
    assert (seen.partitions, seen.cause) == (7, Cause.TIMEOUT)
    assert seen.answered_at is not None
    assert seen.answered_at < seen.observed_at


def test_dispatches_go_on_when_milvus_is_frozen(whole: Product, spare_lite: LiteServer) -> None:
    slow = whole.configured(milvus_uri=spare_lite.uri, milvus_timeout=30, reconcile_interval=0.2)
    frozen = MilvusPartitionStore(spare_lite.uri, "", 30)
    with pytest.raises(StoreError):
        frozen.list_partitions("none")
    spare_lite.freeze()
    watched = FaultyStore(frozen)
    try:
        with slow.reconciling(watched):
            wait_until(lambda: watched.was_asked_where, 5, "the sweep to ask Milvus")
            tenant = slow.create()
            slow.services.job_queue.queue.empty()
            slow.age(tenant, "dispatch_after", 1)
            wait_until(lambda: slow.queued() != [], 5, "the dispatch")
            spare_lite.thaw()
    finally:
        frozen.close()


def test_sweep_costs_the_same_when_many_are_ready(product: Product) -> None:
    milvus = Listing()

    def cost(first: int, count: int) -> tuple[int, list[str]]:
        numbers = product.imported_tenants(count, first)
        product.backfill(numbers)
        product.services.job_queue.backfill_queue.empty()
        with product.engine.execution_options(writes=True).begin() as connection:
            connection.exec_driver_sql("UPDATE partition SET state = 'ready'")
        milvus.names |= {f"tenant_{number}" for number in numbers}
        sweep(product, milvus)
        milvus.calls.clear()
        with statements(product.engine) as seen:
            sweep(product, milvus)
        # The turn is lengthened by the clock, not by what there is to do.
        return len([line for line in seen if "UPDATE leadership" not in line]), milvus.calls[:]

    assert cost(1, 10) == cost(11, 490)
    assert milvus.calls == [product.settings.milvus_collection]
