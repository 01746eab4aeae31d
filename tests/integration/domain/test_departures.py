"""The departures loop on a real Milvus: dropped, proven, recorded, whatever dies in between."""

from contextlib import suppress

import pytest

from jobs.milvus.store import StoreError
from tests.engines.process import wait_until
from tests.factories import FaultyStore, Product, all_at_once
from tests.milvus_collections import drop_collection
from webapp.models.causes import Cause
from webapp.models.tenant import Tenant

DOWN = StoreError(Cause.MILVUS_UNREACHABLE, "connection refused")
SILENT = StoreError(Cause.TIMEOUT, "no answer within 5 s")
REFUSED = StoreError(Cause.UNEXPECTED, "partition is loaded")


class Killed(BaseException):
    """The process dies here."""


def ready(product: Product, count: int = 1, rows: int = 0) -> list[Tenant]:
    tenants = [product.create(f"T{n}") for n in range(count)]
    for tenant in tenants:
        product.occupy(tenant, rows)
        product.make_ready(tenant)
    return tenants


def removal(product: Product, rows: int = 0) -> Tenant:
    """A deleted tenant whose partition, with so many rows, is due to go."""
    (tenant,) = ready(product, rows=rows)
    product.delete(tenant)
    return tenant


def test_drop_is_proven_and_recorded_when_the_grace_time_is_over(whole: Product) -> None:
    gone, neighbour, waiting = ready(whole, 3, rows=25)
    whole.delete(gone)
    whole.delete(waiting, due=False)
    assert whole.remove_due() == 1
    record = whole.departure(gone)
    assert (record.status, record.outcome, record.rows) == ("removed", "dropped", 25)
    assert record.counted_at is not None
    assert record.dropped_at is not None
    assert record.confirmed_at is not None
    assert whole.listed() == {f"tenant_{neighbour.id}", f"tenant_{waiting.id}"}
    assert whole.event_names(gone)[-3:] == ["removing", "dropping", "dropped"]
    assert whole.remove_due() == 0


def test_partition_goes_at_once_when_there_is_no_grace_time(whole: Product) -> None:
    quick = whole.configured(partition_grace=0)
    (tenant,) = ready(quick)
    quick.delete(tenant, due=False)
    assert quick.remove_due() == 1
    assert whole.listed() == frozenset()


def test_absence_is_recorded_when_there_was_no_partition_or_no_collection(whole: Product) -> None:
    first, second = whole.create("A"), whole.create("B")
    whole.delete(first)
    assert whole.remove_due() == 1
    drop_collection(whole.settings.milvus_address, whole.collection)
    whole.delete(second)
    assert whole.remove_due() == 1
    for tenant in (first, second):
        record = whole.departure(tenant)
        assert (record.outcome, record.rows, record.dropped_at) == ("absent", None, None)
        assert whole.event_names(tenant)[-1] == "absent"


@pytest.mark.parametrize(("rows", "outcome"), [(3, "kept"), (0, "dropped")])
def test_rows_are_left_alone_when_they_are_not_known_to_be_the_tenants(
    whole: Product, rows: int, outcome: str
) -> None:
    (number,) = whole.imported_tenants(1)
    whole.occupy(number, rows)
    whole.delete(number)
    whole.remove_due()
    record = whole.departure(number)
    assert (record.status, record.outcome, record.rows) == ("removed", outcome, rows)
    assert bool(whole.listed()) == bool(rows)
    assert whole.event_names(number)[-1] == outcome


def test_drop_is_tried_again_when_it_fails(whole: Product) -> None:
    tenant = removal(whole, rows=2)
    assert whole.remove_due(FaultyStore(whole.store, dropping=REFUSED)) == 0
    row = whole.row(tenant)
    assert (row.state, row.cause, row.error) == ("removing", "unexpected", "partition is loaded")
    whole.age(tenant, "remove_at", 1)
    assert whole.remove_due() == 1
    assert whole.event_names(tenant)[-4:] == ["dropping", "drop_failed", "dropping", "dropped"]
    assert whole.departure(tenant).rows == 2


def test_drop_counts_when_it_took_effect_though_the_answer_was_lost(whole: Product) -> None:
    tenant = removal(whole)
    assert whole.remove_due(FaultyStore(whole.store, dropping=SILENT, takes_effect=True)) == 1
    assert whole.departure(tenant).outcome == "dropped"


def test_acknowledged_drop_is_not_believed_when_it_is_listed_still(whole: Product) -> None:
    tenant = removal(whole)
    assert whole.remove_due(FaultyStore(whole.store, lies=True)) == 0
    assert whole.row(tenant).error == "Milvus acknowledged the drop but lists it still"


def test_nobodys_try_is_used_up_when_milvus_does_not_answer(whole: Product) -> None:
    tenants = ready(whole, 3)
    whole.delete(*tenants)
    away = FaultyStore(whole.store, listing=DOWN)
    assert whole.remove_due(away) == 0
    assert away.calls == ["list"]
    assert [whole.row(tenant).fence for tenant in tenants] == [1, 1, 1]
    assert whole.remove_due() == 3


def test_drop_is_finished_when_milvus_goes_away_before_the_proof(whole: Product) -> None:
    tenant = removal(whole, rows=4)
    failing = FaultyStore(whole.store)
    failing.before_dropping = lambda: setattr(failing, "listing", DOWN)
    assert whole.remove_due(failing) == 0
    assert whole.row(tenant).state == "removing"
    assert whole.remove_due() == 1
    record = whole.departure(tenant)
    assert (record.outcome, record.rows) == ("dropped", 4)


@pytest.mark.parametrize("after_the_drop", [False, True])
def test_next_one_finishes_when_the_reconciler_dies_around_the_drop(
    whole: Product, after_the_drop: bool
) -> None:
    tenant = removal(whole, rows=7)
    with pytest.raises(Killed):
        whole.remove_due(FaultyStore(whole.store, dropping=Killed(), takes_effect=after_the_drop))
    assert whole.remove_due() == 0
    whole.age(tenant, "lease_until")
    assert whole.remove_due() == 1
    record = whole.departure(tenant)
    assert (record.outcome, record.rows, record.status) == ("dropped", 7, "removed")
    assert whole.listed() == frozenset()


def test_others_go_when_one_cannot_be_counted(whole: Product) -> None:
    tenants = ready(whole, 5)
    poisoned = f"tenant_{tenants[0].id}"
    store = FaultyStore(whole.store, counting=SILENT, only_for=poisoned)
    whole.delete(*tenants)
    whole.remove_due(store)
    whole.remove_due(store)
    assert whole.listed() == {poisoned}
    # What cannot be counted must not stay for ever: it is the tenant's own.
    whole.age(tenants[0], "remove_at", 1)
    assert whole.remove_due(store) == 1
    assert whole.departure(tenants[0]).rows is None


def test_two_listings_serve_many_when_they_leave_at_once(whole: Product) -> None:
    whole.delete(*ready(whole, 12))
    counted = FaultyStore(whole.store)
    assert whole.remove_due(counted) == 12
    assert counted.calls.count("list") == 2
    assert whole.listed() == frozenset()


def test_each_goes_once_when_several_reconcilers_work_at_once(whole: Product) -> None:
    tenants = ready(whole, 12)
    whole.delete(*tenants)
    assert sum(all_at_once([whole.remove_due] * 3)) == 12
    assert {whole.event_names(tenant).count("dropped") for tenant in tenants} == {1}


def test_nothing_is_left_when_a_frozen_worker_thaws_before_the_drop(whole: Product) -> None:
    tenant = whole.create()
    (claim,) = whole.claim(tenant)
    late = FaultyStore(whole.store)
    # Frozen right behind its last look at the lease, thawed when the tenant is gone.
    late.before_creating = lambda: whole.delete(tenant)
    with suppress(Exception):
        whole.attempt(late, claim)
    assert whole.listed() == {f"tenant_{tenant.id}"}
    assert whole.remove_due() == 0, "its lease still runs"
    whole.age(tenant, "lease_until")
    assert whole.remove_due() == 1
    assert whole.states() == ["removed"]
    assert whole.listed() == frozenset()


def test_running_reconciler_lets_go_of_what_is_due(whole: Product) -> None:
    (tenant,) = ready(whole)
    with whole.configured(reconcile_interval=60).reconciling(FaultyStore(whole.store)):
        whole.delete(tenant)
        wait_until(lambda: whole.row(tenant).state == "removed", 10, "the departure")
    assert whole.listed() == frozenset()
