"""Chunks: many partitions with one listing before and one after."""

import threading
from datetime import datetime, timedelta

import pytest

from jobs.milvus.store import StoreError
from tests.factories import ACTOR, FaultyStore, Product
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.partition import Partition

UNREACHABLE = StoreError(Cause.MILVUS_UNREACHABLE, "nobody listens")


def claims_of(product: Product, count: int) -> list[Partition]:
    requests = [(product.create(f"T{n}").id, 1) for n in range(count)]
    return product.attempts.claim(requests, "chunk-1")


def test_all_are_ready_with_two_listings_when_a_chunk_has_run(whole: Product) -> None:
    watched = FaultyStore(whole.store)
    whole.chunk(watched).run(claims_of(whole, 20))
    assert whole.states() == ["ready"] * 20
    assert sorted(watched.calls) == ["create"] * 20 + ["list"] * 2
    assert whole.event_names(1)[-2:] == ["creating", "created"]


def test_nothing_is_created_when_all_of_a_chunk_exist(whole: Product) -> None:
    first, *others = claims_of(whole, 3)
    claims = [*whole.attempts.renew([first], seen_absent=True), *others]
    for claim in claims:
        whole.store.create_partition(claim.collection, claim.name)
    watched = FaultyStore(whole.store)
    whole.chunk(watched).run(claims)
    assert "create" not in watched.calls
    results = [whole.row(claim.tenant_id).result for claim in claims]
    assert results == ["created", "already_exists", "already_exists"], "an attempt saw it absent"


def test_those_that_fail_get_jobs_of_their_own_with_all_attempts(whole: Product) -> None:
    claims = claims_of(whole, 3)
    refused = StoreError(Cause.UNEXPECTED, "not this one")
    whole.chunk(FaultyStore(whole.store, creating=refused, only_for=claims[1].name)).run(claims)
    assert whole.states() == ["ready", "pending", "ready"]
    assert whole.row(claims[1].tenant_id).attempts == 0
    assert whole.services.dispatcher.dispatch_due() == 1
    assert "create_failed" not in whole.event_names(claims[1].tenant_id)
    whole.work()
    assert whole.states() == ["ready"] * 3


@pytest.mark.parametrize("broken", ["listing", "creating"])
def test_all_are_handed_back_soon_when_milvus_does_not_answer(whole: Product, broken: str) -> None:
    silent = FaultyStore(whole.store, **{broken: UNREACHABLE})
    whole.chunk(silent).run(claims_of(whole, 20))
    assert whole.states() == ["pending"] * 20
    assert silent.calls.count("create") <= 8


def test_those_made_are_ready_when_their_creation_timed_out_but_took_effect(whole: Product) -> None:
    late = StoreError(Cause.TIMEOUT, "no answer")
    whole.chunk(FaultyStore(whole.store, creating=late, takes_effect=True)).run(claims_of(whole, 1))
    assert whole.states() == ["ready"]


def test_rest_is_handed_back_when_the_worker_stops_in_the_middle(whole: Product) -> None:
    stop = threading.Event()
    watched = FaultyStore(whole.store)
    watched.before_creating = lambda: stop.set() if watched.calls.count("create") >= 5 else None
    whole.chunk(watched, stop).run(claims_of(whole, 25))
    states = whole.states()
    assert 5 <= states.count("ready") <= 15
    assert states.count("pending") == 25 - states.count("ready")


def test_only_what_fits_is_made_when_the_collection_gets_full(whole: Product) -> None:
    small = whole.configured(milvus_max_partitions=4)
    small.chunk(FaultyStore(whole.store)).run(claims_of(small, 5))
    assert small.states() == ["ready"] * 3 + ["pending"] * 2
    small.services.dispatcher.dispatch_due()
    small.work()
    assert small.states() == ["ready"] * 3 + ["failed"] * 2
    assert small.row(5).cause == "capacity"


def test_claim_is_left_alone_when_it_was_lost_meanwhile(whole: Product) -> None:
    claims = claims_of(whole, 3)
    whole.services.tenants.delete(claims[1].tenant_id, actor=ACTOR)
    whole.chunk(FaultyStore(whole.store)).run(claims)
    assert whole.states() == ["ready", "removing", "ready"]
    assert claims[1].name not in whole.listed()


def test_leases_are_renewed_together_when_a_chunk_takes_long(whole: Product) -> None:
    claims = claims_of(whole, 3)
    for claim in claims:
        whole.age(claim.tenant_id, "lease_until", -1)
    until: list[datetime] = []
    watched = FaultyStore(whole.store)
    watched.before_creating = lambda: until.append(whole.row(3).lease_until)
    began = utc_now()
    whole.chunk(watched).run(claims)
    assert min(until) - began > timedelta(seconds=2 * whole.settings.milvus_timeout)


def test_requests_are_dispatched_again_when_redis_lost_their_chunk(simple: Product) -> None:
    numbers = simple.imported_tenants(30)
    simple.backfill(numbers)
    (job_id,) = simple.queued()
    simple.services.job_queue.backfill_queue.empty()
    for number in numbers:
        simple.age(number, "dispatched_at", 11)
    assert simple.repair.redispatch_lost() == 30
    assert len(simple.queued()) == 1
    assert simple.queued() != [job_id]
