"""Backfill: whom it dispatches, whom it leaves alone, and that it makes one request each."""

from functools import partial
from pathlib import Path

import pytest
from jobs.milvus.client import MilvusPartitionStore
from webapp.models.causes import Cause

from tests.factories import ACTOR, FaultyStore, Product, all_at_once, no_script
from webapp.errors import TenantNotFound


def dispatch(product: Product, numbers: list[int]) -> tuple[int, bool]:
    return product.backfill(numbers)


@pytest.fixture
def one_of_each(product: Product) -> dict[str, int]:
    """A tenant in every condition that backfill tells apart; its number by the condition."""
    names = [
        "waiting",
        "lost",
        "due",
        "provisioning",
        "ready",
        "removing",
        "transient",
        "permanent",
    ]
    made = {name: product.create(name).id for name in names}
    product.claim(made["provisioning"])
    product.make_ready(made["ready"])
    product.services.tenants.delete(made["removing"], actor=ACTOR)
    product.fail(made["transient"], Cause.TIMEOUT)
    product.fail(made["permanent"], Cause.AUTH)
    product.services.job_queue.queue.remove(f"t{made['lost']}-g1-d1")
    product.age(made["due"], "dispatch_after", 1)
    (made["before"],) = product.imported_tenants(1, first=100)
    return made


def test_those_whom_it_can_help_are_planned_when_none_is_named(
    product: Product, one_of_each: dict[str, int]
) -> None:
    plan = product.services.backfill.plan()
    helped = {"lost", "due", "transient", "before"}
    assert plan.tenant_ids == sorted(one_of_each[name] for name in helped)
    assert plan.skipped == {"waiting": 1, "provisioning": 1, "failed_permanently": 1}


def test_permanent_failure_is_planned_when_its_number_is_given(
    product: Product, one_of_each: dict[str, int]
) -> None:
    plan = product.services.backfill.plan(list(one_of_each.values()))
    helped = {"lost", "due", "transient", "permanent", "before"}
    assert plan.tenant_ids == sorted(one_of_each[name] for name in helped)
    assert plan.skipped == {"waiting": 1, "provisioning": 1, "ready": 1, "removing": 1}


def test_number_is_refused_when_nobody_has_it(product: Product) -> None:
    with pytest.raises(TenantNotFound, match="99"):
        product.services.backfill.plan([99])


def test_every_planned_one_is_dispatched_when_dispatched(
    product: Product, one_of_each: dict[str, int]
) -> None:
    numbers = product.backfillable()
    assert dispatch(product, numbers) == (4, True)
    rows = [product.row(number) for number in numbers]
    assert {row.state for row in rows} == {"pending"}
    assert len({row.job_id for row in rows}) == 1
    assert product.row(one_of_each["transient"]).generation == 2
    assert product.event_names(one_of_each["before"]) == ["requested", "dispatched"]


def test_nothing_is_left_to_do_when_a_backfill_was_dispatched(product: Product) -> None:
    dispatch(product, product.imported_tenants(7))
    plan = product.services.backfill.plan()
    assert (plan.tenant_ids, plan.skipped) == ([], {"waiting": 7})


def test_one_request_is_made_for_each_when_two_backfills_run_at_once(product: Product) -> None:
    numbers = product.imported_tenants(150)
    results = all_at_once([partial(dispatch, product, numbers)] * 2)
    assert [result for result in results if isinstance(result, Exception)] == []
    assert product.states() == ["pending"] * 150
    assert {product.event_names(number).count("requested") for number in numbers[::25]} == {1}
    assert {product.row(number).generation for number in numbers[::25]} == {1}


def test_tenant_is_left_out_when_it_was_deleted_after_the_plan(product: Product) -> None:
    numbers = product.imported_tenants(2)
    product.services.tenants.delete(1, actor=ACTOR)
    assert dispatch(product, numbers) == (1, True)
    assert product.states() == ["removing", "pending"]


def test_requests_stand_when_redis_takes_none(product: Product, tmp_path: Path) -> None:
    deaf = product.configured(redis_url=f"unix://{tmp_path}/nobody.sock")
    assert dispatch(deaf, product.imported_tenants(5)) == (5, False)
    for number in range(1, 6):
        product.age(number, "dispatch_after", 1)
    assert product.services.dispatcher.dispatch_due() == 5


def test_all_are_ready_when_workers_took_the_chunks(
    whole: Product, store: MilvusPartitionStore
) -> None:
    small = whole.configured(partition_chunk_size=10)
    dispatch(small, small.imported_tenants(25))
    assert len(small.queued()) == 3
    small.work(store)
    assert small.states() == ["ready"] * 25


def test_sign_up_is_served_first_when_a_backfill_waits(
    whole: Product, store: MilvusPartitionStore
) -> None:
    dispatch(whole, whole.imported_tenants(3))
    tenant = whole.create("Now")
    whole.work(store, jobs_at_most=1)
    assert whole.row(tenant).state == "ready"
    assert whole.row(1).state == "pending"


def test_selection_is_retried_in_chunks_when_many_failed(product: Product) -> None:
    from webapp.partitions.failures import FailedSelection

    numbers = product.imported_tenants(30)
    dispatch(product, numbers)
    for number in numbers:
        product.fail(number, Cause.AUTH if number <= 5 else Cause.TIMEOUT)
    retry = product.services.tenants.retry_failed
    selection = FailedSelection(cause=Cause.TIMEOUT)
    assert retry(selection, actor=ACTOR, dry_run=True).queued == 25
    before = len(product.queued())
    report = retry(selection, actor=ACTOR)
    assert (report.queued, report.skipped, report.dispatched) == (25, {}, True)
    assert len(product.queued()) == before + 1
    assert product.states() == ["failed"] * 5 + ["pending"] * 25


def test_selection_tells_whom_it_skips_when_numbers_are_given(
    product: Product, one_of_each: dict[str, int]
) -> None:
    from webapp.partitions.failures import FailedSelection

    wanted = FailedSelection((*one_of_each.values(), 999), Cause.TIMEOUT)
    report = product.services.tenants.retry_failed(wanted, actor=ACTOR)
    assert report.queued == 1
    assert report.skipped == {
        "pending": 3,
        "provisioning": 1,
        "ready": 1,
        "removing": 1,
        "other_cause": 1,
        "unknown": 2,
    }


def test_worker_goes_on_when_a_whole_chunk_fails(
    whole: Product, store: MilvusPartitionStore
) -> None:
    """Each of them is then tried by itself, and recorded by itself."""
    from jobs.milvus.store import StoreError

    dispatch(whole, whole.imported_tenants(3))
    broken = FaultyStore(store, creating=StoreError(Cause.UNEXPECTED, "broken"))
    whole.work(broken, no_script)
    assert whole.services.dispatcher.dispatch_due() == 3
    whole.work(broken, no_script)
    assert [whole.row(number).attempts for number in (1, 2, 3)] == [1, 1, 1]
    assert len(whole.failed_jobs()) == 3
