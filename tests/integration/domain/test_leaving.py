"""Deleting tenants and calling them back, on both databases: who may still do what, and when."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from tests.access import statements
from tests.factories import ACTOR, Product, all_at_once, number_of
from webapp.errors import NotFailed, NotRemoving, TenantDeleted, TenantNotFound
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.tenant import Tenant
from webapp.tenants.queries import departure_of

COLLECTION = "kb_chunks_v1"


def claim(product: Product) -> list[Partition]:
    return product.removal_claims.claim(product.collection, 100)


def begin(product: Product, removals: list[Partition], rows: int | None = 3) -> list[Partition]:
    return product.removal_claims.begin(dict.fromkeys(removals, rows))


def restore(product: Product, tenant: Tenant | int) -> Tenant:
    actor = replace(ACTOR, request_id="r-9")
    return product.services.tenants.restore(number_of(tenant), actor=actor)


def audited(product: Product) -> list[tuple[str, str, str | None]]:
    return [(entry.action, entry.actor, entry.request_id) for entry in product.audited()]


def deleted(product: Product) -> Tenant:
    """A deleted tenant whose grace time is over."""
    tenant = product.create()
    product.delete(tenant)
    return tenant


def test_each_deletion_is_recorded_and_begins_a_grace_time(product: Product) -> None:
    tenant = deleted(product)
    restore(product, tenant)
    product.services.tenants.delete(tenant.id, actor=replace(ACTOR, request_id="r-1"))
    record = product.departure(tenant)
    assert (record.requested_by, record.request_id, record.outcome) == (ACTOR.name, "r-1", None)
    assert record.remove_at == record.requested_at + timedelta(days=7)
    assert audited(product)[-1] == ("tenant.delete", ACTOR.name, "r-1")
    assert (claim(product), product.row(tenant).generation) == ([], 4)


def test_request_is_made_again_when_a_tenant_is_called_back(product: Product) -> None:
    tenant = product.create(slug="acme")
    product.make_ready(tenant)
    product.delete(tenant)
    back = restore(product, tenant)
    row = product.row(tenant)
    assert (back.status, back.slug) == ("active", "acme")
    assert (row.state, row.generation, row.remove_at) == ("pending", 3, None)
    assert product.queued()[-1] == f"t{tenant.id}-g3-d2"
    assert product.event_names(tenant)[-3:] == ["removing", "restored", "dispatched"]
    assert product.read(departure_of, tenant.id) is None
    assert audited(product)[-1] == ("tenant.restore", ACTOR.name, "r-9")


def test_a_free_slug_is_made_when_another_took_it_meanwhile(simple: Product) -> None:
    tenant = simple.create(slug="acme")
    simple.delete(tenant)
    simple.create(slug="acme")
    assert restore(simple, tenant).slug == "acme-2"


def test_tenant_has_no_request_when_it_never_had_one_and_returns(product: Product) -> None:
    (number,) = product.imported_tenants(1)
    product.delete(number)
    row = product.row(number)
    assert (row.state, row.generation, row.name) == ("removing", 0, f"tenant_{number}")
    assert not restore(product, number).partition.is_requested
    assert product.states() == []
    assert product.backfillable() == [number]


def test_calling_back_is_refused_when_nobody_left_or_it_is_too_late(simple: Product) -> None:
    tenant = simple.create()
    with pytest.raises(NotRemoving, match="not deleted"):
        restore(simple, tenant)
    simple.delete(tenant)
    begun = begin(simple, claim(simple))
    with pytest.raises(NotRemoving, match="being dropped"):
        restore(simple, tenant)
    simple.removal_claims.record_gone(begun, {tenant.id}, COLLECTION)
    with pytest.raises(NotRemoving, match="gone"):
        restore(simple, tenant)
    with pytest.raises(TenantNotFound):
        restore(simple, tenant.id + 1)


def test_nothing_is_dropped_when_a_tenant_is_called_back_after_the_claim(product: Product) -> None:
    tenants = [deleted(product).id, *product.imported_tenants(1, first=50)]
    product.delete(tenants[1])
    claimed = claim(product)
    for tenant in tenants:
        restore(product, tenant)
    assert begin(product, claimed) == []
    product.delete(tenants[0], due=False)
    product.delete(tenants[1])
    claim(product)
    # A second departure has a grace time of its own; the claim of the first is worth nothing.
    assert begin(product, claimed) == []
    assert product.removal_claims.record_gone(claimed, set(), COLLECTION) == 0
    assert {product.row(tenant).state for tenant in tenants} == {"removing"}


def test_exactly_one_wins_when_calling_back_meets_the_drop(product: Product) -> None:
    for _ in range(10):
        tenant = deleted(product)
        claimed = claim(product)
        begun, back = all_at_once(
            [partial(begin, product, claimed), partial(restore, product, tenant)]
        )
        assert isinstance(back, NotRemoving) == (len(begun) == 1)
        assert product.row(tenant).state == ("removing" if begun else "pending")
        product.removal_claims.record_gone(begun, set(), COLLECTION)


def test_nothing_is_claimed_before_an_attempts_last_call_has_ended(product: Product) -> None:
    tenant = product.create()
    (attempt,) = product.claim(tenant)
    product.delete(tenant)
    assert claim(product) == []
    restore(product, tenant)
    assert product.attempts.renew([attempt]) == []
    product.delete(tenant)
    assert claim(product) == [], "the lease still counts"
    product.age(tenant, "lease_until", product.settings.milvus_timeout - 1)
    assert claim(product) == []
    product.age(tenant, "lease_until", product.settings.milvus_timeout + 1)
    assert [removal.tenant_id for removal in claim(product)] == [tenant.id]


def test_each_is_claimed_once_when_several_reconcilers_claim_at_once(product: Product) -> None:
    tenants = [product.create(f"T{n}") for n in range(12)]
    product.delete(*tenants)
    claims = all_at_once([partial(claim, product)] * 4)
    numbers = [removal.tenant_id for each in claims for removal in each]
    assert sorted(numbers) == [tenant.id for tenant in tenants]


def test_rows_stay_on_record_when_who_counted_them_dies_before_the_end(product: Product) -> None:
    tenant = deleted(product)
    begin(product, claim(product), rows=25)
    product.age(tenant, "lease_until")
    # What the next one cannot count does not replace what the first one did.
    next_one = begin(product, claim(product), rows=None)
    assert product.removal_claims.record_gone(next_one, set(), COLLECTION) == 1
    record = product.departure(tenant)
    assert (record.rows, record.outcome, record.status) == (25, "dropped", "removed")
    assert record.dropped_at is None
    assert record.confirmed_at is not None


def test_overtaken_one_changes_nothing_when_it_comes_round_again(simple: Product) -> None:
    tenant = deleted(simple)
    frozen = claim(simple)
    simple.age(tenant, "lease_until")
    begun = begin(simple, claim(simple))
    removal_claims = simple.removal_claims
    removal_claims.hand_back(frozen)
    removal_claims.record_failure(frozen[0], Cause.TIMEOUT, "late")
    assert begin(simple, frozen) == removal_claims.record_gone([], set(), COLLECTION) * [0]
    assert removal_claims.record_kept(dict.fromkeys(frozen, 1)) == 0
    assert removal_claims.record_gone(begun, {tenant.id}, COLLECTION) == 1
    assert simple.event_names(tenant)[-2:] == ["dropping", "dropped"]


def test_pauses_grow_when_drops_fail(simple: Product) -> None:
    tenant = deleted(simple)
    pauses = []
    for _ in range(3):
        (removal,) = claim(simple)
        simple.removal_claims.record_failure(removal, Cause.TIMEOUT, "no answer")
        row = simple.row(tenant)
        assert row.remove_at is not None
        pauses.append(row.remove_at - simple.events(tenant)[-1].at)
        assert claim(simple) == []
        simple.age(tenant, "remove_at", 1)
    assert pauses == sorted(pauses)
    assert pauses[2] > 3 * pauses[0]
    assert simple.event_names(tenant)[-1] == "drop_failed"
    assert (row.cause, row.error) == ("timeout", "no answer")


def test_nothing_else_can_be_done_when_a_tenant_is_removing_or_gone(simple: Product) -> None:
    tenant = simple.create_failed(Cause.CAPACITY)
    simple.delete(tenant)
    tenants, attempts = simple.services.tenants, simple.attempts
    for state in ("removing", "removed"):
        assert simple.row(tenant).state == state
        with pytest.raises(NotFailed):
            tenants.retry(tenant.id, actor=ACTOR)
        with pytest.raises(TenantDeleted):
            tenants.rename(tenant.id, name="Other", actor=ACTOR)
        assert simple.backfillable(tenant.id) == []
        assert simple.backfill([tenant.id]).accepted == 0
        assert attempts.claim_requeued(tenant.id, 1, "job") == []
        assert simple.repair.reopen(simple.collection, Cause) == 0
        simple.removal_claims.record_gone(claim(simple), set(), COLLECTION)


def test_due_ones_are_found_by_an_index_when_many_are_ready(simple: Product) -> None:
    with statements(simple.engine) as seen:
        simple.removal_claims.due_collections()
    (statement,) = (each for each in seen if "remove_at" in each)
    with simple.engine.connect() as connection:
        values = ("x",) * statement.count("?")
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    assert "ix_partition_state_remove_at" in str(plan)
