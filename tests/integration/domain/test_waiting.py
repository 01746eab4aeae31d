"""Since when tenants wait: from the first request of a need to its proof, whatever lies between."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import ColumnElement, func, select

from jobs.reconciler.older_version import COMPLETIONS, complete_moments, count_of
from tests.factories import ACTOR, ListingStore, Product
from tests.integration.domain.activity_log import charted, totals
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions import failures
from webapp.partitions.drift import drift_counts, stuck_ones
from webapp.partitions.stuck import stuck
from webapp.partitions.summary import TRIED_AGAIN, Summary, summary
from webapp.tenants.list_pages import walk
from webapp.tenants.queries import TenantFilter

NEED = ("requested_at", "last_requested_at", "waiting_since")


def counted(product: Product) -> Summary:
    return product.read(summary, product.settings)


def retry(product: Product, tenant: Tenant) -> None:
    product.services.tenants.retry(tenant.id, actor=ACTOR)


def requeue(product: Product, tenant: Tenant) -> None:
    row = product.row(tenant)
    assert product.attempts.claim_requeued(tenant.id, row.generation, row.claimed_job_id or "")


def reopen(product: Product, _tenant: Tenant) -> None:
    assert product.repair.reopen(product.collection, [Cause.FOREIGN_DATA]) == 1


def adopt(product: Product, tenant: Tenant) -> None:
    product.services.foreign.adopt(tenant.id, actor=ACTOR)


def backfill(product: Product, tenant: Tenant) -> None:
    assert product.backfill([tenant.id]).accepted == 1


@pytest.mark.parametrize("again", [retry, requeue, reopen, adopt, backfill])
def test_a_need_is_one_however_often_it_is_asked_for(
    product: Product, again: Callable[[Product, Tenant], None]
) -> None:
    tenant = product.create("Acme")
    first = product.ask_earlier(tenant)
    product.fail(tenant, Cause.FOREIGN_DATA)
    again(product, tenant)
    row = product.row(tenant)
    assert (row.requested_at, row.waiting_since) == (first, first)
    assert row.last_requested_at > first + timedelta(minutes=9)
    assert counted(product).trying_again == 1


def test_whoever_is_ready_waits_no_more_and_was_made_ready_after_the_first_request(
    product: Product,
) -> None:
    tenant = product.create_failed(Cause.TIMEOUT)
    first = product.ask_earlier(tenant)
    retry(product, tenant)
    product.make_ready(tenant)
    row = product.row(tenant)
    assert (row.requested_at, row.waiting_since) == (first, None)
    assert row.ready_at
    assert row.ready_at > row.last_requested_at > first
    assert (counted(product).trying_again, counted(product).waiting_since) == (0, None)


def test_a_partition_that_went_missing_is_a_new_need_since_it_was_found_missing(
    product: Product,
) -> None:
    tenant = product.create_ready()
    before = product.ask_earlier(tenant)
    past = dict.fromkeys(("state_since", "ready_at", "verified_at"), before)
    product.change(tenant, waiting_since=None, **past)
    began = utc_now()
    product.reconciler(ListingStore()).sweep()
    row = product.row(tenant)
    assert row.state == PartitionState.PENDING
    assert row.waiting_since
    assert before < began <= row.waiting_since <= row.requested_at == row.last_requested_at
    product.make_ready(tenant)
    ready_at = product.row(tenant).ready_at
    assert ready_at
    assert ready_at >= row.requested_at


def test_a_deleted_tenant_lacks_nothing_and_its_restoration_is_a_new_need(
    product: Product,
) -> None:
    tenant = product.create_failed(Cause.TIMEOUT)
    first = product.ask_earlier(tenant)
    product.delete(tenant, due=False)
    row = product.row(tenant)
    assert (row.requested_at, row.waiting_since) == (first, None)
    product.services.tenants.restore(tenant.id, actor=ACTOR)
    row = product.row(tenant)
    assert row.waiting_since == row.requested_at == row.last_requested_at
    assert row.requested_at > first


def test_an_imported_tenant_waits_from_its_first_request_on(product: Product) -> None:
    product.imported_tenants(1, first=50)
    product.delete(50, due=False)
    product.services.tenants.restore(50, actor=ACTOR)
    assert [getattr(product.row(50), name) for name in NEED] == [None, None, None]
    product.backfill([50])
    row = product.row(50)
    assert row.waiting_since == row.requested_at == row.last_requested_at


def test_time_to_ready_counts_from_the_first_request_when_there_were_retries(
    product: Product,
) -> None:
    slow, told_by_events = product.create("Slow"), product.create("Told by events")
    for tenant in (slow, told_by_events):
        product.ask_earlier(tenant, 600)
        product.write(
            f"UPDATE partition_event SET at = (SELECT requested_at FROM partition"
            f" WHERE tenant_id = {tenant.id}) WHERE tenant_id = {tenant.id}"
        )
        product.fail(tenant, Cause.TIMEOUT)
        retry(product, tenant)
        product.fail(tenant, Cause.TIMEOUT)
        retry(product, tenant)
        product.make_ready(tenant)
    product.delete(told_by_events)
    product.rollup.roll_up()
    assert charted(product).total.p50_s == pytest.approx(600, rel=0.42)
    # One tenant in trouble is one failure, however often it was tried.
    assert totals(product)[1:] == (2, 2)


def test_the_longest_wait_is_told_by_state_and_in_the_order_of_lists(product: Product) -> None:
    names = ("Second", "First", "Third")
    for name, seconds in zip(names, (60, 94, 1), strict=True):
        tenant = product.create(name)
        product.ask_earlier(tenant, seconds)
        product.claim(tenant)
    found = counted(product)
    longest = product.row(2).waiting_since
    assert found.waiting_since == found.longest[PartitionState.PROVISIONING] == longest
    wanted = TenantFilter(state=PartitionState.PROVISIONING)
    listed = product.read(walk, wanted, 10).items
    assert [tenant.name for tenant in listed] == ["First", "Second", "Third"]


def test_failures_of_a_cause_tell_the_longest_wait_and_who_waits(product: Product) -> None:
    for name, seconds in (("New", 60), ("Old", 7200)):
        product.ask_earlier(product.create_failed(Cause.CAPACITY, name), seconds)
    (family,) = product.read(failures.families)
    assert family.waiting_since == product.row(2).waiting_since
    assert (family.tenants, family.past_hour) == (2, 1)
    assert family.last_failed_at > family.waiting_since
    (named,) = product.read(failures.longest_waiting, [Cause.CAPACITY]).values()
    assert [each.name for each in named] == ["Old", "New"]


def test_a_request_that_is_handed_back_for_ever_is_stuck(product: Product) -> None:
    tenant = product.create("Round and round")
    product.ask_earlier(tenant, 86_400)
    product.attempts.hand_back(product.claim(tenant), "stopped")
    assert drift_counts_of(product) == 1
    (finding,) = product.read(stuck_ones, product.services.policy)
    assert finding.since == product.row(tenant).waiting_since
    # The sweep's next try has its own time.
    product.fail(tenant, Cause.TIMEOUT)
    product.age(tenant, "reopen_at")
    assert product.repair.reopen(product.collection, []) == 1
    assert drift_counts_of(product) == 0


def drift_counts_of(product: Product) -> int:
    return product.read(drift_counts, product.services.policy)["stuck"]


def test_what_an_older_version_left_is_completed_by_the_sweep(product: Product) -> None:
    made, retried, ready, whole = (product.create(name) for name in ("A", "B", "C", "D"))
    product.make_ready(ready)
    first = product.ask_earlier(whole)
    for tenant in (made, retried):
        assert product.ask_earlier(tenant)
    product.change(made, waiting_since=None, last_requested_at=None)
    product.change(retried, requested_at=utc_now())
    product.change(ready, waiting_since=utc_now())
    lasts = product.row(retried).requested_at
    assert complete_moments(product.database) == 3
    assert complete_moments(product.database) == 0
    for tenant in (made, retried, whole):
        row = product.row(tenant)
        assert row.waiting_since == row.requested_at <= row.last_requested_at
        assert row.requested_at < first + timedelta(minutes=5)
    assert product.row(retried).last_requested_at == lasts
    assert product.row(ready).waiting_since is None


def test_what_waits_is_read_from_indexes_whatever_the_number_of_tenants(simple: Product) -> None:
    counted = [select(func.count()).where(which) for which in (TRIED_AGAIN, stuck_of(simple))]
    completed = [count_of(which) for which, _ in COMPLETIONS]
    for statement in (*counted, *completed):
        sql = statement.compile(simple.engine, compile_kwargs={"literal_binds": True})
        with simple.engine.connect() as connection:
            steps = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
        read = [step for step in steps if re.match(r"(SCAN|SEARCH) partition\b", step)]
        assert read
        assert all("USING" in step and "INDEX ix_partition_" in step for step in read), steps


def stuck_of(product: Product) -> ColumnElement[bool]:
    return stuck(product.services.policy)
