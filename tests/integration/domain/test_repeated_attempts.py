"""Repeated attempts of the sweep: one entry of each kind with a count, and nothing else merged."""

from structlog.testing import capture_logs

from jobs.milvus.store import StoreError
from jobs.reconciler.rollup import Rollup
from tests.factories import ACTOR, FaultyStore, Product
from tests.integration.domain.activity_log import forget_counts, totals
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.partition import PartitionEvent
from webapp.models.states import Provider
from webapp.partitions import events

OF_A_ROUND = ["reopened", "dispatched", "creating", "create_failed"]
OF_THE_REQUEST = ["requested", "dispatched", *["creating", "create_failed"] * 3]


def reopen_and_fail(
    product: Product, tenant_id: int, cause: Cause, provider: Provider = Provider.SDK
) -> None:
    """A sweep reopens the tenant's request, and the attempt fails."""
    product.age(tenant_id, "reopen_at")
    assert product.repair.reopen(product.collection, [Cause.AUTH]) == 1
    (claim,) = product.claim(tenant_id, product.row(tenant_id).generation)
    assert product.attempts.record_failure(
        claim, cause, f"fails with {cause}", provider=provider, duration_ms=1
    )


def repeats(product: Product, tenant_id: int) -> list[tuple[str, int]]:
    names = zip(product.event_names(tenant_id), product.events(tenant_id), strict=True)
    return [(name, row.count) for name, row in names]


def failures(product: Product, tenant_id: int) -> list[tuple[PartitionEvent, Cause | None, int]]:
    rows = product.events(tenant_id)
    return [(row, row.cause, row.count) for row in rows if row.event == events.CREATE_FAILED]


def test_a_tenant_that_keeps_failing_has_as_many_entries_after_each_further_attempt(
    product: Product,
) -> None:
    tenant = product.create_failed(Cause.TIMEOUT)
    began = utc_now()
    with capture_logs() as lines:
        for _ in range(5):
            reopen_and_fail(product, tenant.id, Cause.TIMEOUT)
    assert product.event_names(tenant) == OF_THE_REQUEST + OF_A_ROUND
    assert [count for _, count in repeats(product, tenant.id)[-4:]] == [5] * 4
    last = product.events(tenant)[-1]
    assert last.first_at is not None
    assert began < last.first_at < last.at
    assert (last.message, last.generation) == ("fails with timeout", product.row(tenant).generation)
    # The log has every attempt.
    assert [line["event"] for line in lines].count(events.CREATE_FAILED) == 5


def test_attempts_of_another_cause_or_provider_are_not_merged(simple: Product) -> None:
    tenant = simple.create_failed(Cause.TIMEOUT)
    for _ in range(3):
        reopen_and_fail(simple, tenant.id, Cause.TIMEOUT)
        reopen_and_fail(simple, tenant.id, Cause.RATE_LIMITED)
        reopen_and_fail(simple, tenant.id, Cause.RATE_LIMITED, Provider.SCRIPT)
    outcomes = [(cause, row.provider, count) for row, cause, count in failures(simple, tenant.id)]
    assert outcomes[3:] == [
        (Cause.TIMEOUT, Provider.SDK, 3),
        (Cause.RATE_LIMITED, Provider.SDK, 3),
        (Cause.RATE_LIMITED, Provider.SCRIPT, 3),
    ]


def test_acts_of_humans_and_first_attempts_stay_as_they_are(simple: Product) -> None:
    tenant = simple.create_failed(Cause.TIMEOUT)
    for _ in range(2):
        reopen_and_fail(simple, tenant.id, Cause.TIMEOUT)
    simple.services.tenants.retry(tenant.id, actor=ACTOR)
    simple.fail(tenant, Cause.TIMEOUT)
    for _ in range(2):
        reopen_and_fail(simple, tenant.id, Cause.TIMEOUT)
    retried = ["retried", *OF_THE_REQUEST[1:]]
    expected = [OF_THE_REQUEST, OF_A_ROUND, retried, OF_A_ROUND]
    assert simple.event_names(tenant) == [name for part in expected for name in part]
    counts = [count for _, count in repeats(simple, tenant.id)]
    assert counts == [1] * 8 + [2] * 4 + [1] * 8 + [2] * 4


def test_an_attempt_in_which_something_else_happened_is_not_merged(simple: Product) -> None:
    tenant = simple.create_failed(Cause.TIMEOUT)
    reopen_and_fail(simple, tenant.id, Cause.TIMEOUT)
    simple.repair.note_cause(simple.collection, Cause.AUTH, "refused")
    reopen_and_fail(simple, tenant.id, Cause.TIMEOUT)
    assert simple.event_names(tenant)[8:] == [*OF_A_ROUND, "cause_changed", *OF_A_ROUND]


def test_attempts_of_workers_that_die_are_merged_as_well(simple: Product) -> None:
    tenant = simple.create_failed(Cause.UNEXPECTED)
    for _ in range(3):
        simple.age(tenant, "reopen_at")
        assert simple.repair.reopen(simple.collection, []) == 1
        simple.claim(tenant, simple.row(tenant).generation)
        simple.age(tenant, "lease_until")
        assert simple.repair.expire_leases() == 1
    assert simple.event_names(tenant) == OF_THE_REQUEST + OF_A_ROUND
    assert simple.events(tenant)[-1].count == 3


def test_steps_are_counted_when_chunks_hand_back_what_fails(simple: Product) -> None:
    tenant = simple.create_failed(Cause.CAPACITY)
    for _ in range(3):
        simple.age(tenant, "reopen_at")
        assert simple.repair.reopen(simple.collection, [], after_capacity=9) == 1
        simple.attempts.hand_back(simple.claim(tenant, simple.row(tenant).generation), "a chunk")
        simple.fail(tenant, Cause.CAPACITY)
    steps = repeats(simple, tenant.id)[-5:]
    assert ("creating", 6) in steps
    assert ("handed_back", 3) in steps
    assert ("create_failed", 3) in steps


def test_counts_over_time_stay_right_when_attempts_are_merged(simple: Product) -> None:
    tenant = simple.create_failed(Cause.TIMEOUT)
    for cause in [Cause.TIMEOUT, Cause.RATE_LIMITED] * 3:
        reopen_and_fail(simple, tenant.id, cause)
        simple.rollup.roll_up()
    simple.services.tenants.retry(tenant.id, actor=ACTOR)
    simple.make_ready(tenant)
    simple.rollup.roll_up()
    assert totals(simple) == (1, 1, 1)
    forget_counts(simple)
    Rollup(simple.database, simple.services.policy).roll_up()
    assert totals(simple) == (1, 1, 1)


def test_drops_that_fail_for_one_cause_are_merged(whole: Product) -> None:
    tenant = whole.create()
    whole.occupy(tenant, rows=2)
    whole.make_ready(tenant)
    whole.delete(tenant)
    store = FaultyStore(whole.store, dropping=StoreError(Cause.TIMEOUT, "no answer"))
    for _ in range(4):
        whole.age(tenant, "remove_at")
        whole.remove_due(store)
    assert repeats(whole, tenant.id)[-2:] == [("dropping", 4), ("drop_failed", 4)]
    assert whole.event_names(tenant).count("dropping") == 1
