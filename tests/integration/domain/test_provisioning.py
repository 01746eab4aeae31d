"""The jobs on a real queue and a real Milvus: attempts, pauses, and what RQ shows of them."""

import pytest

from jobs.milvus.store import StoreError
from tests.engines.process import wait_until
from tests.factories import FaultyStore, Product, no_script
from webapp.models.causes import Cause
from webapp.queue.job_queue import CHUNK, ONE

BROKEN = StoreError(Cause.UNEXPECTED, "the SDK is broken")


def drive(product: Product, tenant_id: int, store: FaultyStore) -> None:
    def settled() -> bool:
        product.services.dispatcher.dispatch_due()
        product.work(store, no_script)
        return product.row(tenant_id).state in {"ready", "failed"}

    wait_until(settled, 15, "the request to be settled")


def test_partition_is_ready_when_the_job_has_run_once_or_twice(whole: Product) -> None:
    tenant, found = whole.create(), whole.create()
    whole.occupy(found)
    whole.work()
    row = whole.row(tenant)
    assert (row.state, row.result, row.provider, row.attempts) == ("ready", "created", "sdk", 1)
    assert row.ready_at is not None
    assert row.name in whole.listed()
    assert whole.row(found).result == "already_exists"
    job = whole.services.job_queue.queue.enqueue(ONE, tenant.id, 1, job_id=f"t{tenant.id}-g1-d1")
    whole.work()
    assert job.get_status() == "finished"
    assert whole.event_names(tenant) == ["requested", "dispatched", "creating", "created"]
    assert whole.event_names(found)[2:] == ["creating", "already_exists"]
    assert whole.failed_jobs() == []


def test_three_attempts_a_pause_apart_when_sdk_and_script_fail(whole: Product) -> None:
    tenant = whole.create()
    drive(whole, tenant.id, FaultyStore(whole.store, creating=BROKEN))
    assert whole.row(tenant).state == "failed"
    attempt = ["creating", "fallback", "create_failed"]
    told = [name for name in whole.event_names(tenant) if name not in {"requested", "dispatched"}]
    assert told == attempt * 3
    failed = [row.at for row in whole.events(tenant) if row.event.endswith("create_failed")]
    begun = [row.at for row in whole.events(tenant) if row.event.endswith("creating")]
    pauses = [(b - f).total_seconds() for f, b in zip(failed, begun[1:], strict=False)]
    assert min(pauses) >= whole.settings.partition_backoff
    assert whole.failed_jobs() == [f"t{tenant.id}-g1-d3"]


def test_no_failed_job_is_left_when_a_later_attempt_succeeds(whole: Product) -> None:
    tenant = whole.create()
    whole.work(FaultyStore(whole.store, creating=BROKEN), no_script)
    assert len(whole.failed_jobs()) == 1
    drive(whole, tenant.id, FaultyStore(whole.store))
    assert whole.row(tenant).state == "ready"
    assert whole.failed_jobs() == []


def test_script_does_not_run_when_the_cause_is_permanent(whole: Product) -> None:
    tenant = whole.create()
    whole.work(FaultyStore(whole.store, creating=StoreError(Cause.AUTH, "refused")), no_script)
    row = whole.row(tenant)
    assert (row.state, row.cause, row.attempts) == ("failed", "auth", 1)
    assert "fallback" not in whole.event_names(tenant)
    assert len(whole.failed_jobs()) == 1
    whole.delete(tenant)
    assert whole.failed_jobs() == []


def test_all_attempts_are_given_when_the_failed_job_is_requeued(whole: Product) -> None:
    tenant = whole.create()
    broken = FaultyStore(whole.store, creating=BROKEN)
    drive(whole, tenant.id, broken)
    whole.requeue(f"t{tenant.id}-g1-d3")
    whole.work(broken, no_script)
    row = whole.row(tenant)
    assert (row.state, row.generation, row.attempts) == ("pending", 2, 1)
    drive(whole, tenant.id, broken)
    assert whole.row(tenant).attempts == 3
    assert len(whole.failed_jobs()) == 1


def test_old_dispatch_ends_quietly_when_the_tenant_is_deleted(whole: Product) -> None:
    tenant = whole.create()
    whole.delete(tenant)
    whole.work()
    assert whole.row(tenant).state == "removing"
    assert (whole.failed_jobs(), whole.listed()) == ([], frozenset())


@pytest.mark.parametrize("name", [ONE, CHUNK])
def test_name_of_the_job_resolves_when_a_worker_imports_it(name: str) -> None:
    from rq.utils import import_attribute

    assert callable(import_attribute(name))


def test_nothing_is_lost_when_redis_is_down_between_attempts(whole: Product) -> None:
    tenant = whole.create()
    whole.work(FaultyStore(whole.store, creating=BROKEN), no_script)
    deaf = whole.without_redis()

    def missed() -> bool:
        assert deaf.services.dispatcher.dispatch_due() == 0
        return whole.row(tenant).dispatch == 2

    wait_until(missed, 5, "a dispatch that nobody hears")
    whole.age(tenant, "dispatch_after", 1)
    drive(whole, tenant.id, FaultyStore(whole.store))
    assert whole.row(tenant).state == "ready"
