"""The departures loop on a real Milvus: dropped, proven, recorded, whatever dies in between."""

import threading
from contextlib import suppress
from functools import partial

import pytest

from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.store import StoreError
from tests.engines.process import wait_until
from tests.factories import FaultyStore, Product, all_at_once, no_script
from tests.milvus_collections import drop_collection, insert_rows
from webapp.models.causes import Cause
from webapp.models.tenant import Tenant

DOWN = StoreError(Cause.MILVUS_UNREACHABLE, "connection refused")
SILENT = StoreError(Cause.TIMEOUT, "no answer within 5 s")
REFUSED = StoreError(Cause.UNEXPECTED, "partition is loaded")


class Killed(BaseException):
    """The process dies here."""


def ready(
    product: Product, store: MilvusPartitionStore, count: int = 1, rows: int = 0
) -> list[Tenant]:
    tenants = [product.create(f"T{n}") for n in range(count)]
    for tenant in tenants:
        store.create_partition(product.settings.milvus_collection, f"tenant_{tenant.id}")
        product.make_ready(tenant)
        if rows:
            insert(product, tenant, rows)
    return tenants


def insert(product: Product, tenant: Tenant | int, rows: int) -> None:
    number = tenant if isinstance(tenant, int) else tenant.id
    where = (product.settings.milvus_address, product.settings.milvus_collection)
    insert_rows(*where, f"tenant_{number}", rows)


def listed(product: Product, store: MilvusPartitionStore) -> frozenset[str]:
    return store.list_partitions(product.settings.milvus_collection) - {"_default"}


def test_partition_is_dropped_proven_and_on_record_when_the_grace_time_is_over(
    whole: Product, store: MilvusPartitionStore
) -> None:
    removal, neighbour = ready(whole, store, 2, rows=25)
    whole.delete(removal)
    assert whole.remove_due(store) == 1
    record = whole.departure(removal)
    assert (record.status, record.outcome, record.rows) == ("removed", "dropped", 25)
    assert record.counted_at is not None
    assert record.dropped_at is not None
    assert record.confirmed_at is not None
    assert listed(whole, store) == {f"tenant_{neighbour.id}"}
    assert whole.event_names(removal)[-3:] == ["removing", "dropping", "dropped"]
    assert whole.remove_due(store) == 0


def test_partition_stays_when_its_grace_time_is_not_over(
    whole: Product, store: MilvusPartitionStore
) -> None:
    (tenant,) = ready(whole, store)
    whole.delete(tenant, due=False)
    assert whole.remove_due(store) == 0
    assert listed(whole, store) == {f"tenant_{tenant.id}"}


def test_partition_goes_at_once_when_there_is_no_grace_time(
    whole: Product, store: MilvusPartitionStore
) -> None:
    quick = whole.configured(partition_grace=0)
    (tenant,) = ready(quick, store)
    quick.delete(tenant, due=False)
    assert quick.remove_due(store) == 1
    assert listed(quick, store) == frozenset()


def test_absence_is_recorded_when_there_was_no_partition_or_no_collection(
    whole: Product, store: MilvusPartitionStore
) -> None:
    first, second = whole.create("A"), whole.create("B")
    whole.delete(first)
    assert whole.remove_due(store) == 1
    drop_collection(whole.settings.milvus_address, whole.settings.milvus_collection)
    whole.delete(second)
    assert whole.remove_due(store) == 1
    for tenant in (first, second):
        record = whole.departure(tenant)
        assert (record.outcome, record.rows, record.dropped_at) == ("absent", None, None)
        assert whole.event_names(tenant)[-1] == "absent"


@pytest.mark.parametrize(("rows", "outcome"), [(3, "kept"), (0, "dropped")])
def test_rows_are_left_alone_when_they_are_not_known_to_be_the_tenants(
    whole: Product, store: MilvusPartitionStore, rows: int, outcome: str
) -> None:
    (number,) = whole.imported_tenants(1)
    store.create_partition(whole.settings.milvus_collection, f"tenant_{number}")
    if rows:
        insert(whole, number, rows)
    whole.delete(number)
    whole.remove_due(store)
    record = whole.departure(number)
    assert (record.status, record.outcome, record.rows) == ("removed", outcome, rows)
    assert bool(listed(whole, store)) == bool(rows)
    assert whole.event_names(number)[-1] == outcome


def test_drop_is_tried_again_when_it_fails(whole: Product, store: MilvusPartitionStore) -> None:
    (tenant,) = ready(whole, store, rows=2)
    whole.delete(tenant)
    assert whole.remove_due(FaultyStore(store, dropping=REFUSED)) == 0
    row = whole.row(tenant)
    assert (row.state, row.cause, row.error) == ("removing", "unexpected", "partition is loaded")
    whole.age(tenant, "remove_at", 1)
    assert whole.remove_due(store) == 1
    assert whole.event_names(tenant)[-4:] == ["dropping", "drop_failed", "dropping", "dropped"]
    assert whole.departure(tenant).rows == 2


def test_drop_counts_when_it_took_effect_though_the_answer_was_lost(
    whole: Product, store: MilvusPartitionStore
) -> None:
    (tenant,) = ready(whole, store)
    whole.delete(tenant)
    assert whole.remove_due(FaultyStore(store, dropping=SILENT, takes_effect=True)) == 1
    assert whole.departure(tenant).outcome == "dropped"


def test_acknowledged_drop_is_not_believed_when_it_is_listed_still(
    whole: Product, store: MilvusPartitionStore
) -> None:
    class Liar(FaultyStore):
        def drop_partition(self, collection: str, partition: str) -> None:
            """Acknowledged, and nothing done."""

    (tenant,) = ready(whole, store)
    whole.delete(tenant)
    assert whole.remove_due(Liar(store)) == 0
    assert whole.row(tenant).error == "Milvus acknowledged the drop but lists it still"


def test_nobodys_try_is_used_up_when_milvus_does_not_answer(
    whole: Product, store: MilvusPartitionStore
) -> None:
    tenants = ready(whole, store, 3)
    whole.delete(*tenants)
    away = FaultyStore(store, listing=DOWN)
    assert whole.remove_due(away) == 0
    assert away.calls == ["list"]
    assert [whole.row(tenant).fence for tenant in tenants] == [1, 1, 1]
    assert whole.remove_due(store) == 3


def test_drop_is_finished_when_milvus_goes_away_before_the_proof(
    whole: Product, store: MilvusPartitionStore
) -> None:
    (tenant,) = ready(whole, store, rows=4)
    whole.delete(tenant)
    failing = FaultyStore(store)
    failing.before_dropping = lambda: setattr(failing, "listing", DOWN)
    assert whole.remove_due(failing) == 0
    assert whole.row(tenant).state == "removing"
    assert whole.remove_due(store) == 1
    record = whole.departure(tenant)
    assert (record.outcome, record.rows) == ("dropped", 4)


@pytest.mark.parametrize("after_the_drop", [False, True])
def test_next_one_finishes_when_the_reconciler_dies_around_the_drop(
    whole: Product, store: MilvusPartitionStore, after_the_drop: bool
) -> None:
    class Dying(FaultyStore):
        def drop_partition(self, collection: str, partition: str) -> None:
            if after_the_drop:
                store.drop_partition(collection, partition)
            raise Killed

    (tenant,) = ready(whole, store, rows=7)
    whole.delete(tenant)
    with pytest.raises(Killed):
        whole.remove_due(Dying(store))
    assert whole.remove_due(store) == 0
    whole.age(tenant, "lease_until")
    assert whole.remove_due(store) == 1
    record = whole.departure(tenant)
    assert (record.outcome, record.rows, record.status) == ("dropped", 7, "removed")
    assert listed(whole, store) == frozenset()


def test_others_go_when_one_cannot_be_counted(whole: Product, store: MilvusPartitionStore) -> None:
    tenants = ready(whole, store, 5)
    poisoned = f"tenant_{tenants[0].id}"

    class Poisoned(FaultyStore):
        def count_rows(self, collection: str, partition: str) -> int | None:
            if partition == poisoned:
                raise SILENT
            return store.count_rows(collection, partition)

    whole.delete(*tenants)
    loop = Poisoned(store)
    whole.remove_due(loop)
    whole.remove_due(loop)
    assert listed(whole, store) == {poisoned}
    # What cannot be counted must not stay for ever: it is the tenant's own.
    whole.age(tenants[0], "remove_at", 1)
    assert whole.remove_due(loop) == 1
    assert whole.departure(tenants[0]).rows is None


def test_two_listings_serve_many_when_they_leave_at_once(
    whole: Product, store: MilvusPartitionStore
) -> None:
    tenants = ready(whole, store, 40)
    whole.delete(*tenants)
    counted = FaultyStore(store)
    assert whole.remove_due(counted) == 40
    assert counted.calls.count("list") == 2
    assert listed(whole, store) == frozenset()


def test_each_goes_once_when_several_reconcilers_work_at_once(
    whole: Product, store: MilvusPartitionStore
) -> None:
    tenants = ready(whole, store, 12)
    whole.delete(*tenants)
    assert sum(all_at_once([partial(whole.remove_due, store)] * 3)) == 12
    assert {whole.event_names(tenant).count("dropped") for tenant in tenants} == {1}


def test_nothing_is_left_when_a_frozen_worker_thaws_before_the_drop(
    whole: Product, store: MilvusPartitionStore
) -> None:
    tenant = whole.create()
    (claim,) = whole.claim(tenant)
    late = FaultyStore(store)
    # Frozen right behind its last look at the lease, thawed when the tenant is gone.
    late.before_creating = lambda: whole.delete(tenant)
    outcome = whole.attempt(late, no_script, claim, threading.Event()).run
    with suppress(Exception):
        outcome(claim)
    assert listed(whole, store) == {f"tenant_{tenant.id}"}
    assert whole.remove_due(store) == 0, "its lease still runs"
    whole.age(tenant, "lease_until")
    assert whole.remove_due(store) == 1
    assert whole.states() == ["removed"]
    assert listed(whole, store) == frozenset()


def test_running_reconciler_lets_go_of_what_is_due(
    whole: Product, store: MilvusPartitionStore
) -> None:
    (tenant,) = ready(whole, store)
    with whole.configured(reconcile_interval=60).reconciling(FaultyStore(store)):
        whole.delete(tenant)
        wait_until(lambda: whole.row(tenant).state == "removed", 10, "the departure")
