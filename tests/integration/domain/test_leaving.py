"""Deleting tenants and calling them back, on both databases: who may still do what, and when."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from tests.factories import ACTOR, Product, all_at_once, statements
from webapp.errors import NotFailed, NotRemoving, TenantDeleted, TenantNotFound
from webapp.models.audit import AuditEntry
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.tenant import Tenant
from webapp.tenants.queries import departure_of

COLLECTION = "kb_chunks_v1"


def claim(product: Product) -> list[Partition]:
    return product.removal_claims.claim(product.settings.milvus_collection, 100)


def begin(product: Product, removals: list[Partition], rows: int | None = 3) -> list[Partition]:
    return product.removal_claims.begin(dict.fromkeys(removals, rows))


def restore(product: Product, tenant: Tenant | int) -> Tenant:
    number = tenant if isinstance(tenant, int) else tenant.id
    return product.services.tenants.restore(number, actor=replace(ACTOR, request_id="r-9"))


def has_record(product: Product, tenant: Tenant) -> bool:
    with product.database.reading() as session:
        return departure_of(session, tenant.id) is not None


def audited(product: Product) -> list[tuple[Any, ...]]:
    with product.engine.connect() as connection:
        columns = select(AuditEntry.action, AuditEntry.actor, AuditEntry.request_id)
        return [tuple(row) for row in connection.execute(columns.order_by(AuditEntry.id))]


def test_who_and_when_are_on_record_and_the_grace_time_begins_when_a_tenant_is_deleted(
    product: Product,
) -> None:
    tenant = product.create()
    product.services.tenants.delete(tenant.id, actor=replace(ACTOR, request_id="r-1"))
    record = product.departure(tenant)
    assert (record.requested_by, record.request_id, record.outcome) == (ACTOR.name, "r-1", None)
    assert record.remove_at == record.requested_at + timedelta(days=7)
    assert audited(product)[1:] == [("tenant.delete", ACTOR.name, "r-1")]
    assert claim(product) == []


def test_request_is_made_again_and_dispatched_when_a_tenant_is_called_back(
    product: Product,
) -> None:
    tenant = product.create(slug="acme")
    product.make_ready(tenant)
    product.delete(tenant)
    back = restore(product, tenant)
    row = product.row(tenant)
    assert (back.status, back.slug) == ("active", "acme")
    assert (row.state, row.generation, row.remove_at) == ("pending", 3, None)
    assert product.queued()[-1] == f"t{tenant.id}-g3-d2"
    assert product.event_names(tenant)[-3:] == ["removing", "restored", "dispatched"]
    assert not has_record(product, tenant)
    assert audited(product)[-1] == ("tenant.restore", ACTOR.name, "r-9")


def test_a_free_slug_is_made_when_another_took_it_meanwhile(product: Product) -> None:
    tenant = product.create(slug="acme")
    product.delete(tenant)
    product.create(slug="acme")
    assert restore(product, tenant).slug == "acme-2"


def test_tenant_has_no_request_again_when_it_never_had_one_and_is_called_back(
    product: Product,
) -> None:
    (number,) = product.imported_tenants(1)
    product.delete(number)
    row = product.row(number)
    assert (row.state, row.generation, row.name) == ("removing", 0, f"tenant_{number}")
    assert not restore(product, number).partition.is_requested
    assert product.states() == []
    assert product.backfillable() == [number]


def test_calling_back_is_refused_when_nobody_left_or_it_is_too_late(product: Product) -> None:
    tenant = product.create()
    with pytest.raises(NotRemoving, match="not deleted"):
        restore(product, tenant)
    product.delete(tenant)
    begun = begin(product, claim(product))
    with pytest.raises(NotRemoving, match="being dropped"):
        restore(product, tenant)
    product.removal_claims.record_gone(begun, {tenant.id}, COLLECTION)
    with pytest.raises(NotRemoving, match="gone"):
        restore(product, tenant)
    with pytest.raises(TenantNotFound):
        restore(product, tenant.id + 1)


def test_nothing_is_dropped_when_a_tenant_is_called_back_after_the_claim(
    product: Product,
) -> None:
    tenant = product.create()
    product.delete(tenant)
    claimed = claim(product)
    restore(product, tenant)
    assert begin(product, claimed) == []
    product.delete(tenant, due=False)
    # A second departure has a grace time of its own; the claim of the first is worth nothing.
    assert begin(product, claimed) == []
    assert product.removal_claims.record_gone(claimed, set(), COLLECTION) == 0
    assert product.row(tenant).state == "removing"


def test_first_claim_is_worth_nothing_when_one_without_a_request_leaves_again(
    product: Product,
) -> None:
    (number,) = product.imported_tenants(1)
    product.delete(number)
    claimed = claim(product)
    restore(product, number)
    product.delete(number)
    claim(product)
    assert begin(product, claimed) == []


def test_exactly_one_wins_when_calling_back_meets_the_drop(product: Product) -> None:
    for _ in range(10):
        tenant = product.create()
        product.delete(tenant)
        claimed = claim(product)
        begun, back = all_at_once(
            [partial(begin, product, claimed), partial(restore, product, tenant)]
        )
        assert isinstance(back, NotRemoving) == (len(begun) == 1)
        assert product.row(tenant).state == ("removing" if begun else "pending")
        product.removal_claims.record_gone(begun, set(), COLLECTION)


def test_nothing_is_claimed_before_a_call_under_an_attempts_lease_has_ended(
    product: Product,
) -> None:
    tenant = product.create()
    product.claim(tenant)
    product.delete(tenant)
    assert claim(product) == []
    product.age(tenant, "lease_until", product.settings.milvus_timeout - 1)
    assert claim(product) == []
    product.age(tenant, "lease_until", product.settings.milvus_timeout + 1)
    assert [removal.tenant_id for removal in claim(product)] == [tenant.id]


def test_lease_of_an_attempt_still_counts_when_a_tenant_comes_back_and_leaves_again(
    product: Product,
) -> None:
    tenant = product.create()
    product.claim(tenant)
    product.delete(tenant)
    restore(product, tenant)
    product.delete(tenant)
    assert claim(product) == []


def test_attempt_changes_nothing_when_its_tenant_left_and_came_back(product: Product) -> None:
    tenant = product.create()
    (attempt,) = product.claim(tenant)
    product.delete(tenant)
    restore(product, tenant)
    assert product.attempts.renew([attempt]) == []
    assert len(product.claim(tenant, product.row(tenant).generation)) == 1


def test_each_is_claimed_once_when_several_reconcilers_claim_at_once(product: Product) -> None:
    tenants = [product.create(f"T{n}") for n in range(12)]
    product.delete(*tenants)
    claims = all_at_once([partial(claim, product)] * 4)
    numbers = [removal.tenant_id for each in claims for removal in each]
    assert sorted(numbers) == [tenant.id for tenant in tenants]


def test_rows_stay_on_record_when_who_counted_them_dies_before_the_end(product: Product) -> None:
    tenant = product.create()
    product.delete(tenant)
    begin(product, claim(product), rows=25)
    product.age(tenant, "lease_until")
    # What the next one cannot count does not replace what the first one did.
    next_one = begin(product, claim(product), rows=None)
    assert product.removal_claims.record_gone(next_one, set(), COLLECTION) == 1
    record = product.departure(tenant)
    assert (record.rows, record.outcome, record.status) == (25, "dropped", "removed")
    assert record.dropped_at is None
    assert record.confirmed_at is not None


def test_overtaken_one_changes_nothing_when_it_comes_round_again(product: Product) -> None:
    tenant = product.create()
    product.delete(tenant)
    frozen = claim(product)
    product.age(tenant, "lease_until")
    begun = begin(product, claim(product))
    removal_claims = product.removal_claims
    removal_claims.hand_back(frozen)
    removal_claims.record_failure(frozen[0], Cause.TIMEOUT, "late")
    assert begin(product, frozen) == removal_claims.record_gone([], set(), COLLECTION) * [0]
    assert removal_claims.record_kept(dict.fromkeys(frozen, 1)) == 0
    assert removal_claims.record_gone(begun, {tenant.id}, COLLECTION) == 1
    assert product.event_names(tenant)[-2:] == ["dropping", "dropped"]


def test_pauses_grow_when_drops_fail(product: Product) -> None:
    tenant = product.create()
    product.delete(tenant)
    pauses = []
    for _ in range(3):
        (removal,) = claim(product)
        product.removal_claims.record_failure(removal, Cause.TIMEOUT, "no answer")
        row = product.row(tenant)
        assert row.remove_at is not None
        pauses.append(row.remove_at - product.events(tenant)[-1].at)
        assert claim(product) == []
        product.age(tenant, "remove_at", 1)
    assert pauses == sorted(pauses)
    assert pauses[2] > 3 * pauses[0]
    assert product.event_names(tenant)[-1] == "drop_failed"
    assert (row.cause, row.error) == ("timeout", "no answer")


def test_nothing_else_can_be_done_when_a_tenant_is_removing_or_gone(product: Product) -> None:
    tenant = product.create()
    product.fail(tenant, Cause.CAPACITY)
    product.delete(tenant)
    tenants, attempts = product.services.tenants, product.attempts
    for state in ("removing", "removed"):
        assert product.row(tenant).state == state
        with pytest.raises(NotFailed):
            tenants.retry(tenant.id, actor=ACTOR)
        with pytest.raises(TenantDeleted):
            tenants.rename(tenant.id, name="Other", actor=ACTOR)
        assert product.backfillable(tenant.id) == []
        assert product.backfill([tenant.id]).accepted == 0
        assert attempts.claim_requeued(tenant.id, 1, "job") == []
        assert product.repair.reopen(product.settings.milvus_collection, Cause) == 0
        product.removal_claims.record_gone(claim(product), set(), COLLECTION)


def test_grace_time_begins_anew_when_a_tenant_leaves_again(product: Product) -> None:
    tenant = product.create()
    product.delete(tenant)
    restore(product, tenant)
    product.delete(tenant, due=False)
    assert product.row(tenant).generation == 4
    assert product.departure(tenant).remove_at == product.departure(tenant).requested_at + (
        timedelta(days=7)
    )
    assert claim(product) == []


def test_due_ones_are_found_by_an_index_when_many_are_ready(simple: Product) -> None:
    with statements(simple.engine) as seen:
        simple.removal_claims.due_collections()
    (statement,) = (each for each in seen if "remove_at" in each)
    with simple.engine.connect() as connection:
        values = ("x",) * statement.count("?")
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    assert "ix_partition_state_remove_at" in str(plan)
