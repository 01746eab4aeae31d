"""Chunks: many partitions with one listing before and one after."""

import threading
from datetime import datetime, timedelta

import pytest

from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.store import StoreError
from tests.factories import ACTOR, FaultyStore, Product
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.partition import Partition

UNREACHABLE = StoreError(Cause.MILVUS_UNREACHABLE, "nobody listens")


def claims_of(product: Product, count: int) -> list[Partition]:
    requests = [(product.create(f"T{n}").id, 1) for n in range(count)]
    return product.attempts.claim(requests, "chunk-1")


def test_all_are_ready_with_two_listings_when_a_chunk_has_run(
    whole: Product, store: MilvusPartitionStore
) -> None:
    watched = FaultyStore(store)
    whole.chunk(watched).run(claims_of(whole, 20))
    assert whole.states() == ["ready"] * 20
    assert sorted(watched.calls) == ["create"] * 20 + ["list"] * 2
    assert whole.event_names(1)[-2:] == ["creating", "created"]


def test_nothing_is_created_when_all_of_a_chunk_exist(
    whole: Product, store: MilvusPartitionStore
) -> None:
    first, *others = claims_of(whole, 3)
    claims = [*whole.attempts.renew([first], seen_absent=True), *others]
    for claim in claims:
        store.create_partition(claim.collection, claim.name)
    watched = FaultyStore(store)
    whole.chunk(watched).run(claims)
    assert "create" not in watched.calls
    results = [whole.row(claim.tenant_id).result for claim in claims]
    assert results == ["created", "already_exists", "already_exists"], "an attempt saw it absent"


def test_those_that_fail_get_jobs_of_their_own_with_all_attempts(
    whole: Product, store: MilvusPartitionStore
) -> None:
    claims = claims_of(whole, 4)
    refused = {claims[1].name, claims[3].name}

    class Choosy(FaultyStore):
        def create_partition(self, collection: str, partition: str) -> None:
            if partition in refused:
                raise StoreError(Cause.UNEXPECTED, "not this one")
            super().create_partition(collection, partition)

    whole.chunk(Choosy(store)).run(claims)
    assert whole.states() == ["ready", "pending", "ready", "pending"]
    assert whole.row(claims[1].tenant_id).attempts == 0
    assert whole.services.dispatcher.dispatch_due() == 2
    assert "create_failed" not in whole.event_names(claims[1].tenant_id)
    whole.work(store)
    assert whole.states() == ["ready"] * 4


@pytest.mark.parametrize("broken", ["listing", "creating"])
def test_all_are_handed_back_soon_when_milvus_does_not_answer(
    whole: Product, store: MilvusPartitionStore, broken: str
) -> None:
    silent = FaultyStore(store, **{broken: UNREACHABLE})
    whole.chunk(silent).run(claims_of(whole, 20))
    assert whole.states() == ["pending"] * 20
    assert silent.calls.count("create") <= 8


def test_those_made_are_ready_when_their_creation_timed_out_but_took_effect(
    whole: Product, store: MilvusPartitionStore
) -> None:
    late = StoreError(Cause.TIMEOUT, "no answer")
    whole.chunk(FaultyStore(store, creating=late, takes_effect=True)).run(claims_of(whole, 1))
    assert whole.states() == ["ready"]


def test_rest_is_handed_back_when_the_worker_stops_in_the_middle(
    whole: Product, store: MilvusPartitionStore
) -> None:
    stop = threading.Event()
    watched = FaultyStore(store)
    watched.before_creating = lambda: stop.set() if watched.calls.count("create") >= 5 else None
    whole.chunk(watched, stop).run(claims_of(whole, 25))
    states = whole.states()
    assert 5 <= states.count("ready") <= 15
    assert states.count("pending") == 25 - states.count("ready")


def test_only_what_fits_is_made_when_the_collection_gets_full(
    whole: Product, store: MilvusPartitionStore
) -> None:
    small = whole.configured(milvus_max_partitions=4)
    small.chunk(FaultyStore(store)).run(claims_of(small, 5))
    assert small.states() == ["ready"] * 3 + ["pending"] * 2
    small.services.dispatcher.dispatch_due()
    small.work(store)
    assert small.states() == ["ready"] * 3 + ["failed"] * 2
    assert small.row(5).cause == "capacity"


def test_claim_is_left_alone_when_it_was_lost_meanwhile(
    whole: Product, store: MilvusPartitionStore
) -> None:
    claims = claims_of(whole, 3)
    whole.services.tenants.delete(claims[1].tenant_id, actor=ACTOR)
    whole.chunk(FaultyStore(store)).run(claims)
    assert whole.states() == ["ready", "removing", "ready"]
    names = store.list_partitions(whole.settings.milvus_collection)
    assert claims[1].name not in names


def test_leases_are_renewed_together_when_a_chunk_takes_long(
    whole: Product, store: MilvusPartitionStore
) -> None:
    claims = claims_of(whole, 3)
    for claim in claims:
        whole.age(claim.tenant_id, "lease_until", -1)
    until: list[datetime] = []
    watched = FaultyStore(store)
    watched.before_creating = lambda: until.append(whole.row(3).lease_until)
    began = utc_now()
    whole.chunk(watched).run(claims)
    assert min(until) - began > timedelta(seconds=2 * whole.settings.milvus_timeout)


def test_request_is_dispatched_by_itself_when_its_chunk_is_lost_from_redis(
    simple: Product,
) -> None:
    numbers = simple.imported_tenants(30)
    simple.backfill(numbers)
    (job_id,) = simple.queued()
    simple.services.job_queue.backfill_queue.empty()
    for number in numbers:
        simple.age(number, "dispatched_at", 11)
    assert simple.repair.redispatch_lost() == 30
    assert len(simple.queued()) == 1
    assert simple.queued() != [job_id]
