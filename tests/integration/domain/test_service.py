"""Creating, renaming and deleting tenants; Redis may be down."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.engines.process import wait_until
from tests.engines.redis import RedisServer
from tests.factories import ACTOR, Product, all_at_once, audit_open
from webapp.errors import InvalidField, NotFailed, SlugTaken, TenantDeleted, TenantNotFound
from webapp.models.causes import Cause
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.tenant import Tenant
from webapp.tenants import service


def count(product: Product, table: Any) -> int:
    return len(product.select(select(table)))


def test_tenant_and_partition_are_stored_and_dispatched_when_created(product: Product) -> None:
    tenant = product.create("Acme S.p.A.", actor=replace(ACTOR, request_id="r-1"))
    row = product.row(tenant)
    assert (tenant.slug, row.name, row.state) == ("acme-s-p-a", f"tenant_{tenant.id}", "pending")
    assert (row.generation, row.attempts, row.job_id) == (1, 0, f"t{tenant.id}-g1-d1")
    assert product.queued() == [row.job_id]
    assert product.event_names(tenant) == ["requested", "dispatched"]
    assert {event.request_id for event in product.events(tenant)} == {"r-1"}


def test_nothing_is_stored_nor_dispatched_when_the_event_cannot_be_written(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("does not fit")

    monkeypatch.setattr(service.events, "record", refuse)
    with pytest.raises(RuntimeError, match="does not fit"):
        product.create()
    assert [count(product, table) for table in (Tenant, Partition, PartitionEvent)] == [0, 0, 0]
    assert product.queued() == []


def test_dispatch_follows_the_commit_when_created(
    simple: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    dispatcher = simple.services.dispatcher
    monkeypatch.setattr(dispatcher, "dispatch", lambda _: seen.append(count(simple, Partition)))
    simple.create()
    assert seen == [1]


def test_tenant_is_created_when_redis_is_down_and_dispatched_later(simple: Product) -> None:
    assert simple.row(simple.create()).dispatch_after is None
    tenant = simple.without_redis().create()
    row = simple.row(tenant)
    assert row.dispatched_at is None
    assert row.dispatch_after is not None
    assert (row.dispatch_after - row.requested_at).total_seconds() <= 2
    simple.age(tenant, "dispatch_after", 1)
    assert simple.services.dispatcher.dispatch_due() == 1
    assert simple.queued()[1:] == [f"t{tenant.id}-g1-d2"]
    assert simple.services.dispatcher.dispatch_due() == 0


def test_a_taken_slug_gets_a_number_unless_it_was_given(product: Product) -> None:
    slugs = [product.create("Acme").slug for _ in range(12)]
    assert slugs == ["acme", *(f"acme-{n}" for n in range(2, 13))]
    with pytest.raises(SlugTaken):
        product.create("Other", slug="acme")
    assert count(product, Tenant) == 12


@pytest.mark.parametrize(
    ("field", "text"),
    [
        *(("name", text) for text in ("", " \u200b ", "a\x00b", "\ud800", "x" * 256)),
        *(("slug", text) for text in ("", "UPPER", "a" * 64, "tail\n")),
    ],
)
def test_field_is_named_when_it_is_unusable(simple: Product, field: str, text: str) -> None:
    with pytest.raises(InvalidField) as caught:
        simple.create(**{field: text})
    assert caught.value.field == field


def test_one_wins_when_twenty_ask_for_one_slug_at_once(product: Product) -> None:
    works = [partial(product.create, f"Tenant {n}", slug="wanted") for n in range(20)]
    results = all_at_once(works)
    assert sum(isinstance(result, Tenant) for result in results) == 1
    assert sum(isinstance(result, SlugTaken) for result in results) == 19


def test_all_are_created_when_twenty_of_one_name_come_at_once(product: Product) -> None:
    results = all_at_once([partial(product.create, "Acme")] * 20)
    assert [result for result in results if not isinstance(result, Tenant)] == []
    assert len({tenant.slug for tenant in results}) == 20
    assert len(product.queued()) == 20


def test_a_tenant_is_renamed_unless_the_slug_is_taken_or_it_is_not_there(product: Product) -> None:
    rename = product.services.tenants.rename
    product.create(slug="first")
    second = product.create(slug="second")
    changed = rename(second.id, name="Other", slug="other", actor=ACTOR)
    assert (changed.name, changed.slug) == ("Other", "other")
    assert product.row(second).name == f"tenant_{second.id}"
    with pytest.raises(SlugTaken):
        rename(second.id, slug="first", actor=ACTOR)
    with pytest.raises(TenantNotFound):
        rename(10**30, name="x", actor=ACTOR)
    product.delete(second)
    with pytest.raises(TenantDeleted):
        rename(second.id, name="x", actor=ACTOR)


def test_request_is_withdrawn_when_a_tenant_is_deleted_in_any_state(simple: Product) -> None:
    tenants = _pending, provisioning, ready, failed = [simple.create(f"T{n}") for n in range(4)]
    claims = simple.claim(provisioning)
    simple.make_ready(ready)
    simple.fail(failed, Cause.TIMEOUT)
    assert simple.states() == ["pending", "provisioning", "ready", "failed"]
    delete = simple.services.tenants.delete
    for tenant in tenants:
        first, again = (delete(tenant.id, actor=ACTOR) for _ in range(2))
        assert (first.status, again.deleted_at) == ("deleted", first.deleted_at)
        assert (simple.row(tenant).state, simple.row(tenant).generation) == ("removing", 2)
        assert simple.event_names(tenant).count("removing") == 1
        assert simple.claim(tenant, 1) == simple.claim(tenant, 2) == []
    assert simple.services.dispatcher.dispatch_due() == 0
    assert simple.attempts.renew(claims) == []
    simple.attempts.hand_back(claims, "stopped")
    assert simple.row(provisioning).state == "removing"


@pytest.mark.parametrize("both_engines", ["postgresql"], indirect=True)
def test_deleting_waits_for_a_worker_without_deadlock_when_both_write(product: Product) -> None:
    """PostgreSQL's check of the event's foreign key locks the tenant's row in a weak mode."""
    tenant = product.create()
    with product.engine.begin() as worker:
        worker.execute(text("UPDATE partition SET fence = fence + 1"))
        with ThreadPoolExecutor(1) as threads:
            deleting = threads.submit(product.services.tenants.delete, tenant.id, actor=ACTOR)
            wait_until(lambda: _is_anyone_waiting(product), 10, "the deletion to wait")
            worker.execute(
                text("INSERT INTO partition_event (tenant_id, at, event) VALUES (:id, now(), 'x')"),
                {"id": tenant.id},
            )
            worker.commit()
            assert deleting.result(10).status == "deleted"


def _is_anyone_waiting(product: Product) -> bool:
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    return bool(product.read(Session.scalar, waiting))


def test_slug_is_free_again_but_no_number_when_a_tenant_is_deleted(product: Product) -> None:
    """No row should be deleted by hand; a number must not come back even then."""
    deleted = product.create(slug="again")
    product.delete(deleted)
    highest = product.create(slug="again").id
    assert highest > deleted.id
    writing = product.engine.execution_options(writes=True)
    with writing.begin() as connection, audit_open(connection):
        for table in ("audit_entry", "partition_event", "departure", "partition", "tenant"):
            connection.execute(text(f"DELETE FROM {table}"))
    assert product.create().id > highest


def test_request_begins_afresh_when_a_failed_one_is_retried(product: Product) -> None:
    retry, actor = product.services.tenants.retry, replace(ACTOR, request_id="r-2")
    tenant = product.create()
    with pytest.raises(NotFailed):
        retry(tenant.id, actor=actor)
    with pytest.raises(TenantNotFound):
        retry(tenant.id + 1, actor=actor)
    product.fail(tenant, Cause.CAPACITY)
    assert retry(tenant.id, actor=actor).partition is not None
    row = product.row(tenant)
    assert (row.state, row.generation, row.attempts, row.max_attempts) == ("pending", 2, 0, 3)
    assert row.request_id == "r-2"
    assert product.queued()[-1] == f"t{tenant.id}-g2-d2"
    assert product.event_names(tenant)[-2:] == ["retried", "dispatched"]


def test_creating_takes_no_longer_than_one_answer_when_redis_is_frozen(
    simple: Product, spare_redis: Callable[..., RedisServer]
) -> None:
    redis = spare_redis()
    slow = simple.configured(redis_url=redis.url)
    slow.create("Before")

    def seconds(count: int) -> float:
        began = time.monotonic()
        for _ in range(count):
            slow.create("During")
        return time.monotonic() - began

    redis.freeze()
    try:
        assert seconds(1) < 2
        assert seconds(5) < 2, "they know of it already, and need not wait for themselves"
    finally:
        redis.thaw()
    assert slow.states() == ["pending"] * 7
