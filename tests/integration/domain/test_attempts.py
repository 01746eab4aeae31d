"""Claims, leases and records: of many workers at once, one has the request."""

from functools import partial

from jobs.provisioning.claims import Outcome
from tests.factories import ACTOR, Product, all_at_once
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import Provider, Result

CREATED = Outcome(Result.CREATED, Provider.SDK)


def test_each_request_goes_to_one_when_chunks_claim_the_same_at_once(product: Product) -> None:
    requests = [(product.create(f"T{n}").id, 1) for n in range(12)]
    works = [
        partial(product.attempts.claim, requests[:: -1 if n % 2 else 1], f"chunk-{n}")
        for n in range(8)
    ]
    claimed = [claim.tenant_id for claims in all_at_once(works) for claim in claims]
    assert sorted(claimed) == [number for number, _ in requests]
    assert {product.row(number).attempts for number in claimed} == {1}


def test_claim_is_refused_when_the_next_attempt_is_not_due(product: Product) -> None:
    tenant = product.create()
    (claim,) = product.claim(tenant)
    slow = product.configured(partition_backoff=3600)
    assert _fail(slow, claim)
    assert product.claim(tenant) == []
    assert product.services.dispatcher.dispatch_due() == 0
    product.age(tenant, "next_attempt_at", 0)
    assert [again.attempts for again in product.claim(tenant)] == [2]


def test_claim_is_refused_when_the_generation_is_old(simple: Product) -> None:
    tenant = simple.create_failed(Cause.AUTH)
    simple.services.tenants.retry(tenant.id, actor=ACTOR)
    assert simple.claim(tenant, generation=1) == []
    assert len(simple.claim(tenant, generation=2)) == 1


def test_claim_is_given_when_a_lease_ran_out_while_attempts_are_left(product: Product) -> None:
    """The sweep ends a request without attempts; an old dispatch must not give it one more."""
    tenant = product.create()
    for attempt in (1, 2, 3):
        assert [claim.attempts for claim in product.claim(tenant)] == [attempt]
        assert product.claim(tenant) == []
        product.age(tenant, "lease_until", 1)
    assert product.claim(tenant) == []
    assert product.row(tenant).attempts == 3


def test_frozen_worker_changes_nothing_when_it_was_overtaken(product: Product) -> None:
    tenant = product.create()
    frozen = product.claim(tenant)
    product.age(tenant, "lease_until", 1)
    overtaking = product.claim(tenant)
    attempts = product.attempts
    for state in ("provisioning", "ready"):
        assert attempts.renew(frozen) == []
        assert attempts.record_ready(frozen, CREATED, 1) == []
        assert not _fail(product, frozen[0])
        attempts.hand_back(frozen, "stopped")
        row = product.row(tenant)
        assert (row.state, row.attempts) == (state, 2)
        if state == "provisioning":
            assert attempts.record_ready(overtaking, CREATED, 1) == overtaking
    assert "create_failed" not in product.event_names(tenant)


def test_attempt_does_not_count_when_it_is_handed_back(simple: Product) -> None:
    tenant = simple.create()
    simple.attempts.hand_back(simple.claim(tenant), "stopped")
    row = simple.row(tenant)
    assert (row.state, row.attempts) == ("pending", 0)
    assert simple.services.dispatcher.dispatch_due() == 1


def test_partition_is_ours_when_an_earlier_attempt_saw_it_absent(simple: Product) -> None:
    tenant = simple.create()
    (claim,) = simple.claim(tenant)
    assert not claim.is_ours
    (renewed,) = simple.attempts.renew([claim], seen_absent=True)
    assert renewed.is_ours
    assert _fail(simple, renewed)
    simple.change(tenant, next_attempt_at=None)
    (second,) = simple.claim(tenant)
    assert second.is_ours


def test_partition_is_not_ours_when_it_was_ready_before(simple: Product) -> None:
    tenant = simple.create()
    (claim,) = simple.claim(tenant)
    simple.attempts.renew([claim], seen_absent=True)
    simple.attempts.record_ready([claim], CREATED, 1)
    simple.change(tenant, state="pending")
    (again,) = simple.claim(tenant)
    assert not again.is_ours


def test_request_fails_at_once_only_when_no_retry_cures_the_cause(simple: Product) -> None:
    for cause in Cause:
        (claim,) = simple.claim(simple.create())
        assert _fail(simple, claim, cause)
        row = simple.row(claim.tenant_id)
        assert row.state == ("pending" if cause.is_transient else "failed")
        assert (row.cause, row.error) == (cause, "seen")
        assert (row.next_attempt_at is not None) == cause.is_transient


def test_request_fails_after_three_attempts_when_the_cause_is_transient(product: Product) -> None:
    tenant = product.create_failed(Cause.MILVUS_UNREACHABLE)
    failures = [row for row in product.events(tenant) if row.event.endswith("create_failed")]
    assert [row.attempt for row in failures] == [1, 2, 3]
    row = product.row(tenant)
    assert (row.attempts, row.next_attempt_at, row.dispatch_after) == (3, None, None)


def test_one_new_request_is_made_when_a_job_is_requeued_many_times(product: Product) -> None:
    tenant = product.create()
    product.fail(tenant, Cause.TIMEOUT, job_id="t1-g1-d3")
    requeued = product.attempts.claim_requeued
    assert requeued(tenant.id, 1, "t1-g1-d2") == requeued(tenant.id, 2, "t1-g1-d3") == []
    assert product.row(tenant).state == "failed"
    results = all_at_once([partial(requeued, tenant.id, 1, "t1-g1-d3")] * 8)
    (claim,) = [claim for claims in results for claim in claims]
    assert (claim.generation, claim.attempts, claim.max_attempts) == (2, 1, 3)
    assert product.event_names(tenant)[-2:] == ["retried", "creating"]


def test_job_is_a_retry_each_time_when_it_is_requeued_again_and_again(product: Product) -> None:
    tenant = product.create()
    (job_id,) = product.queued()
    product.fail(tenant, Cause.CAPACITY, job_id)
    requeued = product.attempts.claim_requeued
    for generation in (2, 3):
        (claim,) = requeued(tenant.id, 1, job_id)
        assert claim.generation == generation
        assert _fail(product, claim, Cause.CAPACITY)


def test_next_attempt_is_made_now_when_its_last_job_is_requeued(product: Product) -> None:
    (claim,) = product.claim(product.create(), job_id="last")
    assert _fail(product, claim)
    requeued = product.attempts.claim_requeued
    assert requeued(claim.tenant_id, 1, "another") == []
    (again,) = requeued(claim.tenant_id, 1, "last")
    assert (again.generation, again.attempts, again.next_attempt_at) == (1, 2, None)
    assert requeued(claim.tenant_id, 1, "last") == [], "it runs"


def _fail(product: Product, claim: Partition, cause: Cause = Cause.TIMEOUT) -> bool:
    return product.attempts.record_failure(
        claim, cause, "seen", provider=Provider.SDK, duration_ms=1
    )
