"""Backfill: what it dispatches, what it leaves alone, and that it makes one request each."""

from functools import partial

import pytest

from jobs.milvus.store import StoreError
from tests.factories import ACTOR, FaultyStore, Product, all_at_once, no_script
from webapp.models.causes import Cause
from webapp.models.operation import OperationKind
from webapp.operations.plan import Plan
from webapp.operations.selection import Selection


def plan(product: Product, numbers: list[int] | None = None) -> Plan:
    """What `flask partitions backfill --dry-run` counts."""
    chosen = Selection(tenant_ids=None if numbers is None else tuple(numbers))
    return product.services.operations.plan(OperationKind.BACKFILL, chosen)


@pytest.fixture
def one_of_each(product: Product) -> dict[str, int]:
    """A tenant in every condition that backfill tells apart; its number by the condition."""
    names = "waiting lost due provisioning ready removing transient permanent"
    made = {name: product.create(name).id for name in names.split()}
    product.claim(made["provisioning"])
    product.make_ready(made["ready"])
    product.services.tenants.delete(made["removing"], actor=ACTOR)
    product.fail(made["transient"], Cause.TIMEOUT)
    product.fail(made["permanent"], Cause.AUTH)
    product.services.job_queue.queue.remove(f"t{made['lost']}-g1-d1")
    product.age(made["due"], "dispatch_after", 1)
    (made["before"],) = product.imported_tenants(1, first=100)
    return made


def test_those_that_it_can_help_are_planned_and_dispatched(
    product: Product, one_of_each: dict[str, int]
) -> None:
    helped = [one_of_each[name] for name in ("lost", "due", "transient", "before")]
    planned = plan(product)
    assert planned.accepted == len(helped)
    assert planned.skipped == {"waiting": 1, "provisioning": 1, "failed_permanently": 1}
    named = plan(product, [*one_of_each.values(), 99])
    assert named.accepted == len({*helped, one_of_each["permanent"]})
    left_alone = ("waiting", "provisioning", "ready", "removing", "unknown")
    assert named.skipped == dict.fromkeys(left_alone, 1)
    assert product.backfill().accepted == len(helped)
    rows = [product.row(number) for number in helped]
    assert {row.state for row in rows} == {"pending"}
    assert len({row.job_id for row in rows}) == 1
    assert product.row(one_of_each["transient"]).generation == 2
    assert product.event_names(one_of_each["before"]) == ["requested", "dispatched"]
    assert (plan(product, helped).accepted, plan(product, helped).skipped) == (0, {"waiting": 4})


def test_it_goes_on_when_the_due_loop_dispatched_some_first(
    product: Product, one_of_each: dict[str, int]
) -> None:
    numbers = [one_of_each["due"], one_of_each["lost"]]
    product.services.dispatcher.dispatch_due()
    operation = product.backfill(numbers)
    assert operation.skipped == '{"waiting": 1}'
    assert operation.accepted == 1


def test_one_request_is_made_for_each_when_two_backfills_run_at_once(product: Product) -> None:
    numbers = product.imported_tenants(60)
    results = all_at_once([partial(product.backfill, numbers)] * 2)
    assert [result for result in results if isinstance(result, Exception)] == []
    assert product.states() == ["pending"] * 60
    assert {product.event_names(number).count("requested") for number in numbers[::10]} == {1}
    assert {product.row(number).generation for number in numbers[::10]} == {1}


def test_tenant_is_left_out_when_it_was_deleted_after_the_plan(simple: Product) -> None:
    numbers = simple.imported_tenants(2)
    simple.services.tenants.delete(1, actor=ACTOR)
    assert simple.backfill(numbers).accepted == 1
    assert simple.states() == ["removing", "pending"]


def test_all_are_ready_when_workers_took_the_chunks_after_a_sign_up(whole: Product) -> None:
    small = whole.configured(partition_chunk_size=10)
    small.backfill(small.imported_tenants(25))
    tenant = small.create("Now")
    small.work(jobs_at_most=1)
    assert (small.row(tenant).state, small.row(1).state) == ("ready", "pending")
    assert len(small.queued()) == 3
    small.work()
    assert small.states() == ["ready"] * 26


def test_selection_tells_what_it_skips_when_numbers_are_given(
    product: Product, one_of_each: dict[str, int]
) -> None:
    numbers = (*one_of_each.values(), 999)
    chosen = Selection(tenant_ids=numbers, cause=Cause.TIMEOUT)
    planned = product.services.operations.plan(OperationKind.RETRY, chosen)
    assert planned.accepted == 1
    assert planned.skipped == {
        "pending": 3,
        "provisioning": 1,
        "ready": 1,
        "removing": 1,
        "other_cause": 1,
        "not_requested": 1,
        "unknown": 1,
    }


def test_worker_goes_on_when_a_whole_chunk_fails(whole: Product) -> None:
    """Each of them is then tried by itself, and recorded by itself."""
    whole.backfill(whole.imported_tenants(3))
    broken = FaultyStore(whole.store, creating=StoreError(Cause.UNEXPECTED, "broken"))
    whole.work(broken, no_script)
    assert whole.services.dispatcher.dispatch_due() == 3
    whole.work(broken, no_script)
    assert [whole.row(number).attempts for number in (1, 2, 3)] == [1, 1, 1]
    assert len(whole.failed_jobs()) == 3
