"""Everything at once on PostgreSQL: no deadlock, no lost row, whatever meets whatever."""

import time
from collections.abc import Callable
from functools import partial

import pytest

from tests.engines.redis import RedisServer
from tests.factories import ACTOR, Product, all_at_once
from webapp.tenants.attempts import Outcome
from webapp.tenants.causes import Cause
from webapp.tenants.failures import FailedSelection
from webapp.tenants.states import Provider, Result

CREATED = Outcome(Result.CREATED, Provider.SDK)


@pytest.mark.parametrize("both_engines", ["postgresql"], indirect=True)
def test_no_deadlock_when_every_use_case_meets_every_other(product: Product) -> None:
    numbers = product.tenants_of_before(60)
    domain = product.domain
    domain.backfill.dispatch(numbers, actor=ACTOR, progress=lambda _: None)

    def work(half: list[int]) -> None:
        for generation in (1, 2, 3):
            claims = domain.attempts.claim([(n, generation) for n in half], "chunk")
            claims = domain.attempts.renew(claims, seen_absent=True)
            for claim in claims[::3]:
                domain.attempts.record_failure(
                    claim, Cause.AUTH, "no", provider=Provider.SDK, duration_ms=1
                )
            domain.attempts.record_ready(claims[1::3], CREATED, 1)
            domain.attempts.hand_back(claims, "rest")

    def leave() -> None:
        for number in numbers[::10]:
            domain.tenants.delete(number, actor=ACTOR)

    def keep_up() -> None:
        for _ in range(5):
            domain.upkeep.expire_leases()
            domain.upkeep.note_cause(product.settings.milvus_collection, Cause.CAPACITY, "full")
            domain.upkeep.reopen(product.settings.milvus_collection, [Cause.AUTH])
            domain.ringing.ring_due()

    retry = partial(domain.tenants.retry_failed, FailedSelection(), actor=ACTOR)
    again = partial(domain.backfill.dispatch, numbers, actor=ACTOR, progress=lambda _: None)
    works: list[Callable[[], object]] = [partial(work, numbers), partial(work, numbers[::-1])]
    results = all_at_once([*works, leave, keep_up, keep_up, retry, again])
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
