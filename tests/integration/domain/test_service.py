"""Creating, renaming and deleting tenants; Redis may be down."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from tests.engines.process import wait_until
from tests.engines.redis import RedisServer
from tests.factories import ACTOR, Product, all_at_once, audit_open
from webapp.errors import InvalidField, NotFailed, SlugTaken, TenantDeleted, TenantNotFound
from webapp.models.causes import Cause
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.tenant import Tenant


def count(product: Product, table: type) -> int:
    with product.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def without_redis(product: Product, tmp_path: Path) -> Product:
    return product.configured(redis_url=f"unix://{tmp_path}/nobody.sock")


def test_tenant_partition_and_event_are_stored_and_dispatched_when_created(
    product: Product,
) -> None:
    tenant = product.create("Acme S.p.A.", actor=replace(ACTOR, request_id="r-1"))
    row = product.row(tenant)
    assert (tenant.slug, row.name, row.state) == ("acme-s-p-a", f"tenant_{tenant.id}", "pending")
    assert (row.generation, row.attempts, row.job_id) == (1, 0, f"t{tenant.id}-g1-d1")
    assert product.queued() == [row.job_id]
    assert product.event_names(tenant) == ["requested", "dispatched"]
    assert {event.request_id for event in product.events(tenant)} == {"r-1"}


def test_nothing_is_stored_nor_dispatched_when_the_event_cannot_be_written(
    product: Product,
) -> None:
    with pytest.raises(Exception, match="does not fit"):
        _create_with_failing_events(product)
    assert [count(product, table) for table in (Tenant, Partition, PartitionEvent)] == [0, 0, 0]
    assert product.queued() == []


def _create_with_failing_events(product: Product) -> None:
    from webapp.tenants import service

    def refuse(*_: object) -> None:
        raise RuntimeError("does not fit")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.events, "record", refuse)
        product.create()


def test_dispatch_follows_the_commit_when_created(product: Product) -> None:
    seen: list[int] = []
    dispatch = product.services.dispatcher.dispatch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            product.services.dispatcher,
            "dispatch",
            lambda dispatches: seen.append(count(product, Partition)) or dispatch(dispatches),
        )
        product.create()
    assert seen == [1]


def test_tenant_is_created_when_redis_is_down_and_dispatched_when_it_is_back(
    product: Product, tmp_path: Path
) -> None:
    tenant = without_redis(product, tmp_path).create()
    assert product.row(tenant).dispatched_at is None
    product.age(tenant, "dispatch_after", 1)
    assert product.services.dispatcher.dispatch_due() == 1
    assert product.queued() == [f"t{tenant.id}-g1-d2"]
    assert product.services.dispatcher.dispatch_due() == 0


def test_row_is_due_within_three_seconds_when_its_maker_dies_before_dispatching(
    product: Product,
) -> None:
    tenant = product.create()
    row = product.row(tenant)
    assert row.dispatch_after is None
    again = product.configured(redis_url="redis://127.0.0.1:9")
    row = again.row(again.create("Other"))
    assert row.dispatch_after is not None
    assert (row.dispatch_after - row.requested_at).total_seconds() <= 2


def test_numbers_are_appended_when_the_slug_is_taken(product: Product) -> None:
    slugs = [product.create("Acme").slug for _ in range(25)]
    assert slugs[:3] == ["acme", "acme-2", "acme-3"]
    assert len(set(slugs)) == 25


def test_given_slug_is_refused_when_taken(product: Product) -> None:
    product.create(slug="acme")
    with pytest.raises(SlugTaken):
        product.create("Other", slug="acme")
    assert count(product, Tenant) == 1


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", {"name": ""}),
        ("name", {"name": " \u200b "}),
        ("name", {"name": "a\x00b"}),
        ("name", {"name": "\ud800"}),
        ("name", {"name": "x" * 256}),
        ("slug", {"slug": ""}),
        ("slug", {"slug": "UPPER"}),
        ("slug", {"slug": "a" * 64}),
        ("slug", {"slug": "tail\n"}),
    ],
)
def test_field_is_named_when_it_is_unusable(
    simple: Product, field: str, values: dict[str, str]
) -> None:
    with pytest.raises(InvalidField) as caught:
        simple.create(**values)
    assert caught.value.field == field


def test_one_wins_when_fifty_ask_for_one_slug_at_once(product: Product) -> None:
    works = [partial(product.create, f"Tenant {n}", slug="wanted") for n in range(50)]
    results = all_at_once(works)
    assert sum(isinstance(result, Tenant) for result in results) == 1
    assert sum(isinstance(result, SlugTaken) for result in results) == 49


def test_all_are_created_when_fifty_of_one_name_come_at_once(product: Product) -> None:
    results = all_at_once([partial(product.create, "Acme")] * 50)
    assert [result for result in results if not isinstance(result, Tenant)] == []
    assert len({tenant.slug for tenant in results}) == 50
    assert len(product.queued()) == 50


def test_partition_keeps_its_name_when_the_tenant_is_renamed(product: Product) -> None:
    tenant = product.create()
    changed = product.services.tenants.rename(tenant.id, name="Other", slug="other", actor=ACTOR)
    assert (changed.name, changed.slug) == ("Other", "other")
    assert product.row(tenant).name == f"tenant_{tenant.id}"


def test_renaming_is_refused_when_the_slug_is_taken_or_nobody_is_there(product: Product) -> None:
    product.create(slug="first")
    second = product.create(slug="second")
    with pytest.raises(SlugTaken):
        product.services.tenants.rename(second.id, slug="first", actor=ACTOR)
    with pytest.raises(TenantNotFound):
        product.services.tenants.rename(10**30, name="x", actor=ACTOR)
    product.services.tenants.delete(second.id, actor=ACTOR)
    with pytest.raises(TenantDeleted):
        product.services.tenants.rename(second.id, name="x", actor=ACTOR)


@pytest.mark.parametrize("state", ["pending", "provisioning", "ready", "failed"])
def test_request_is_withdrawn_when_a_tenant_is_deleted_in_any_state(
    product: Product, state: str
) -> None:
    tenant = product.create()
    if state == "provisioning":
        product.claim(tenant)
    elif state == "ready":
        product.make_ready(tenant)
    elif state == "failed":
        product.fail(tenant, Cause.TIMEOUT)
    assert product.row(tenant).state == state
    deleted = product.services.tenants.delete(tenant.id, actor=ACTOR)
    row = product.row(tenant)
    assert (deleted.status, row.state, row.generation) == ("deleted", "removing", 2)
    assert product.claim(tenant, 1) == product.claim(tenant, 2) == []
    assert product.services.dispatcher.dispatch_due() == 0


def test_nothing_changes_when_a_deletion_is_repeated(product: Product) -> None:
    tenant = product.create()
    first = product.services.tenants.delete(tenant.id, actor=ACTOR)
    again = product.services.tenants.delete(tenant.id, actor=ACTOR)
    assert again.deleted_at == first.deleted_at
    assert product.event_names(tenant).count("removing") == 1


def test_worker_changes_nothing_when_the_tenant_is_deleted_meanwhile(product: Product) -> None:
    tenant = product.create()
    claims = product.claim(tenant)
    product.services.tenants.delete(tenant.id, actor=ACTOR)
    assert product.attempts.renew(claims) == []
    product.attempts.hand_back(claims, "stopped")
    assert product.row(tenant).state == "removing"


@pytest.mark.parametrize("both_engines", ["postgresql"], indirect=True)
def test_deleting_waits_for_a_worker_without_deadlock_when_both_write(product: Product) -> None:
    """PostgreSQL's check of the event's foreign key locks the tenant's row in a weak mode."""
    tenant = product.create()
    with product.engine.begin() as worker:
        worker.execute(text("UPDATE partition SET fence = fence + 1"))
        with ThreadPoolExecutor(1) as threads:
            deleting = threads.submit(product.services.tenants.delete, tenant.id, actor=ACTOR)
            wait_until(lambda: _somebody_waits(product.engine), 10, "the deletion to wait")
            worker.execute(
                text("INSERT INTO partition_event (tenant_id, at, event) VALUES (:id, now(), 'x')"),
                {"id": tenant.id},
            )
            worker.commit()
            assert deleting.result(10).status == "deleted"


def _somebody_waits(engine: Engine) -> bool:
    with engine.connect() as connection:
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return bool(connection.scalar(waiting))


def test_slug_is_free_again_but_no_number_when_a_tenant_is_deleted(product: Product) -> None:
    product.create()
    highest = product.create(slug="again")
    product.services.tenants.delete(highest.id, actor=ACTOR)
    assert product.create(slug="again").id > highest.id


def test_no_number_is_used_again_when_the_highest_row_is_gone(product: Product) -> None:
    """Nobody should take out rows by hand; a number must not come back even then."""
    highest = product.create()
    writing = product.engine.execution_options(writes=True)
    with writing.begin() as connection, audit_open(connection):
        for table in ("audit_entry", "partition_event", "partition", "tenant"):
            connection.execute(text(f"DELETE FROM {table}"))
    assert product.create().id > highest.id


def test_retry_is_refused_when_the_partition_has_not_failed(product: Product) -> None:
    tenant = product.create()
    with pytest.raises(NotFailed):
        product.services.tenants.retry(tenant.id, actor=ACTOR)
    with pytest.raises(TenantNotFound):
        product.services.tenants.retry(tenant.id + 1, actor=ACTOR)


def test_request_begins_afresh_when_a_failed_one_is_retried(product: Product) -> None:
    tenant = product.create()
    product.fail(tenant, Cause.CAPACITY)
    retried = product.services.tenants.retry(tenant.id, actor=replace(ACTOR, request_id="r-2"))
    row = product.row(tenant)
    assert retried.partition is not None
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
    redis.freeze()
    try:
        began = time.monotonic()
        tenant = slow.create("During")
        took = time.monotonic() - began
        began = time.monotonic()
        for number in range(5):
            slow.create(f"After {number}")
        took_others = time.monotonic() - began
    finally:
        redis.thaw()
    assert took < 2
    assert took_others < 2, "they know of it already, and need not wait for themselves"
    assert slow.row(tenant).state == "pending"
