"""Everything at once on PostgreSQL: no deadlock, no lost row, whatever meets whatever."""

import time
from collections.abc import Callable
from functools import partial

import pytest
from jobs.provisioning.claims import Outcome
from webapp.models.causes import Cause
from webapp.models.states import Provider, Result
from webapp.partitions.failures import FailedSelection
from webapp.partitions.requests import dispatch_of
from webapp.queue.job_queue import Dispatch

from tests.engines.redis import RedisServer
from tests.factories import ACTOR, Product, all_at_once

CREATED = Outcome(Result.CREATED, Provider.SDK)


def dispatches(product: Product, numbers: list[int]) -> list[Dispatch]:
    """Dispatches as `_mark` gets them, in the order of the numbers given."""
    return [dispatch_of(product.row(number)) for number in numbers]


@pytest.mark.parametrize("both_engines", ["postgresql"], indirect=True)
def test_nobody_is_in_anothers_way_when_a_chunk_is_marked_and_claimed_at_once(
    product: Product,
) -> None:
    numbers = product.imported_tenants(100)
    product.backfill(numbers)
    backwards = dispatches(product, numbers[::-1])
    requests = [(number, 1) for number in numbers]
    for _ in range(5):
        mark = partial(product.services.dispatcher._mark, backwards, "chunk-x")
        claim = partial(product.attempts.claim, requests, "chunk-x")
        results = all_at_once([mark, claim, mark])
        assert [result for result in results if isinstance(result, Exception)] == []
        product.attempts.hand_back(results[1], "again")
        backwards = dispatches(product, numbers[::-1])


@pytest.mark.parametrize("both_engines", ["postgresql"], indirect=True)
def test_no_deadlock_when_every_use_case_meets_every_other(product: Product) -> None:
    numbers = product.imported_tenants(60)
    services = product.services
    services.backfill.dispatch(numbers, actor=ACTOR, progress=lambda _: None)

    def work(half: list[int]) -> None:
        for generation in (1, 2, 3):
            claims = services.attempts.claim([(n, generation) for n in half], "chunk")
            claims = services.attempts.renew(claims, seen_absent=True)
            for claim in claims[::3]:
                services.attempts.record_failure(
                    claim, Cause.AUTH, "no", provider=Provider.SDK, duration_ms=1
                )
            services.attempts.record_ready(claims[1::3], CREATED, 1)
            services.attempts.hand_back(claims, "rest")

    def delete_tenant() -> None:
        for number in numbers[::10]:
            services.tenants.delete(number, actor=ACTOR)

    def keep_up() -> None:
        for _ in range(5):
            services.repair.expire_leases()
            services.repair.note_cause(product.settings.milvus_collection, Cause.CAPACITY, "full")
            services.repair.reopen(product.settings.milvus_collection, [Cause.AUTH])
            services.dispatcher.dispatch_due()

    retry = partial(services.tenants.retry_failed, FailedSelection(), actor=ACTOR)
    again = partial(services.backfill.dispatch, numbers, actor=ACTOR, progress=lambda _: None)
    works: list[Callable[[], object]] = [partial(work, numbers), partial(work, numbers[::-1])]
    results = all_at_once([*works, delete_tenant, keep_up, keep_up, retry, again])
    assert [result for result in results if isinstance(result, Exception)] == []
    assert len(product.states()) == 60
    assert product.states().count("removing") == 6


def test_creating_takes_no_longer_than_one_answer_when_redis_is_frozen(
    simple: Product, spare_redis: Callable[..., RedisServer]
) -> None:
    redis = spare_redis()
    slow = simple.configured(redis_url=redis.url)
    slow.create("Before")
    redis.freeze()
    try:
        began = time.monotonic()
        tenant = slow.create("During")
        took = time.monotonic() - began
        began = time.monotonic()
        for number in range(5):
            slow.create(f"After {number}")
        took_others = time.monotonic() - began
    finally:
        redis.thaw()
    assert took < 2
    assert took_others < 2, "they know of it already, and need not wait for themselves"
    assert slow.row(tenant).state == "pending"
