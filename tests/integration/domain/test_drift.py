"""Where Milvus departs from our rows: seen by the sweep, repaired or reported, written once."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from jobs.drift.compare import Listing, compare, proven_in
from jobs.drift.missing import make_again
from jobs.drift.observations import observed_collections
from jobs.drift.report import store_report
from jobs.milvus.store import StoreError
from tests.access import statements
from tests.factories import ACTOR, FaultyStore, ListingStore, Product, all_at_once, empty
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.observed import PartitionDrift
from webapp.models.states import PartitionState
from webapp.partitions.drift import Finding, KnownDrift, known_drift


def make_ready(product: Product, count: int) -> list[int]:
    numbers = product.imported_tenants(count)
    product.backfill(numbers)
    product.work()
    assert set(product.states()) == {"ready"}
    return numbers


def remove(product: Product) -> int:
    """A tenant that has departed; its partition is gone."""
    tenant = product.create("Departed")
    product.work()
    product.services.tenants.delete(tenant.id, actor=ACTOR)
    product.store.drop_partition(product.collection, f"tenant_{tenant.id}")
    product.change(tenant, state=PartitionState.REMOVED)
    product.age(tenant, "state_since", 60)
    return tenant.id


def drift_report(product: Product) -> dict[str, tuple[str, int | None]]:
    found = product.select(select(PartitionDrift))
    return {row.partition: (str(row.kind), row.rows) for row in found}


def known(product: Product) -> KnownDrift:
    return product.read(known_drift, product.services.policy)


def a_listing(product: Product, *names: str) -> Listing:
    """What a sweep reads at this moment, if Milvus lists these names."""
    ready, missing = proven_in(product.database, product.collection)
    return Listing(product.collection, utc_now(), ready, frozenset(names), None, missing)


# All situations.

NOBODY, ELSEWHERE = "no tenant", "a tenant of another collection"
FOUND = {NOBODY: "orphan", ELSEWHERE: "orphan", PartitionState.REMOVED: "resurrected"}
situations = st.tuples(
    st.sampled_from([NOBODY, ELSEWHERE, None, *PartitionState]), st.booleans(), st.booleans()
)


@settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(situations, max_size=8))
def test_each_is_found_for_what_it_is_whatever_milvus_lists(
    simple: Product, chosen: list[tuple[PartitionState | str | None, bool, bool]]
) -> None:
    """No partition of a living tenant is found, and no other one is overlooked."""
    empty(simple.engine)
    long_ago = utc_now() - timedelta(hours=1)
    names, unwanted, missing = [], {}, set()
    for number, (whose, is_listed, is_kept) in enumerate(chosen, start=1):
        name, kind = f"tenant_{number}", FOUND.get(whose or "")
        if whose != NOBODY:
            simple.imported_tenants(1, first=number)
            state = PartitionState.READY if whose == ELSEWHERE else whose
            place = "another" if whose == ELSEWHERE else simple.collection
            simple.change(number, state=state, collection=place, state_since=long_ago)
        if is_listed:
            names.append(name)
            if kind:
                unwanted[name] = "acknowledged" if is_kept else kind
        elif whose in {PartitionState.READY, PartitionState.MISSING}:
            missing.add(name)
        if is_kept:
            kept = {"collection": simple.collection, "partition": name, "kind": "acknowledged"}
            simple.write(insert(PartitionDrift).values(kept))
    comparison = compare(simple.database, a_listing(simple, *names))
    assert {each.partition: each.kind for each in comparison.unwanted} == unwanted
    assert {each.partition for each in comparison.missing} == missing


# Missing.


def test_partition_is_made_again_when_somebody_dropped_it(placed: Product) -> None:
    first, second = make_ready(placed, 2)
    placed.store.drop_partition(placed.collection, f"tenant_{second}")
    placed.sweep()
    row = placed.row(second)
    assert (row.state, row.generation, row.attempts, row.max_attempts) == ("pending", 2, 0, 3)
    assert placed.event_names(second)[-2:] == ["drift", "dispatched"]
    assert placed.events(second)[-2].actor == "sweep"
    assert [each.tenant_id for each in known(placed).missing] == [second]
    placed.work()
    placed.sweep()
    assert f"tenant_{second}" in placed.listed()
    assert [placed.row(number).generation for number in (first, second)] == [1, 2]
    assert (placed.states(), known(placed).missing) == (["ready", "ready"], [])


def test_all_are_made_again_in_chunks_when_hundreds_are_missing(simple: Product) -> None:
    numbers = simple.imported_tenants(250)
    simple.backfill(numbers)
    simple.services.job_queue.backfill_queue.empty()
    simple.write("UPDATE partition SET state = 'ready', ready_at = state_since")
    simple.sweep(ListingStore())
    simple.services.brakes.make_again(simple.collection, actor=ACTOR)
    simple.sweep(ListingStore())
    assert set(simple.states()) == {"pending"}
    assert len(simple.queued()) == 3
    simple.sweep(ListingStore())
    assert len(simple.queued()) == 3
    assert known(simple).counts["missing"] == 250


def test_row_is_not_missing_when_it_became_ready_after_milvus_was_asked(simple: Product) -> None:
    tenant = simple.create()
    milvus = ListingStore()
    milvus.meanwhile = lambda: simple.make_ready(tenant)
    simple.sweep(milvus)
    assert (simple.row(tenant).state, simple.row(tenant).generation) == ("ready", 1)


def test_row_is_left_alone_when_it_was_made_again_while_milvus_was_asked(product: Product) -> None:
    """Another sweeper saw the same, and a worker was quick: the proof is newer than the list."""
    tenant = product.create_ready()
    listing = a_listing(product)
    assert make_again(product.services, listing) == 1
    product.make_ready(tenant)
    assert make_again(product.services, listing) == 0
    assert product.row(tenant).generation == 2


def test_nothing_is_missing_when_milvus_does_not_answer(simple: Product) -> None:
    tenant = simple.create_ready()
    milvus = ListingStore()
    milvus.listing = StoreError(Cause.MILVUS_UNREACHABLE, "nobody listens")
    simple.sweep(milvus)
    assert (simple.row(tenant).state, drift_report(simple)) == ("ready", {})


def test_partition_is_made_again_in_a_collection_not_in_use_any_more(simple: Product) -> None:
    tenant = simple.create_ready()
    simple.sweep(ListingStore(f"tenant_{tenant.id}"))
    moved = simple.configured(milvus_collection="another")
    assert observed_collections(moved.database, "another") == ["another", simple.collection]
    moved.sweep(ListingStore())
    row = moved.row(tenant)
    assert (row.state, row.collection) == ("pending", simple.collection)


def test_collection_is_looked_at_when_tenants_were_ready_before_a_sweep(product: Product) -> None:
    for n in range(3):
        product.make_ready(product.create(f"T{n}"))
    with statements(product.engine) as seen:
        looked_at = observed_collections(product.database, "another")
    assert looked_at == ["another", product.collection]
    # A step in the index for each collection, one beyond the last, and the findings.
    assert len([line for line in seen if line.startswith("SELECT")]) == 3


def test_collection_is_asked_for_no_more_when_nothing_of_ours_is_in_it(simple: Product) -> None:
    mistyped = simple.configured(milvus_collection="mistyped")
    milvus = ListingStore()
    milvus.listing = StoreError(Cause.COLLECTION_MISSING, "not there")
    mistyped.sweep(milvus)
    assert observed_collections(simple.database, "right") == ["right"]


# What nobody wants.


def test_orphans_are_reported_once_and_kept_when_nobody_has_their_number(placed: Product) -> None:
    (number,) = make_ready(placed, 1)
    for name in ("tenant_40", "tenant_007", "tenant_x", "others"):
        placed.store.create_partition(placed.collection, name)
    placed.sweep()
    others = dict.fromkeys(("tenant_007", "tenant_x", "others"), ("other", None))
    assert drift_report(placed) == {"tenant_40": ("orphan", None), **others}
    with statements(placed.engine) as seen:
        placed.sweep()
    assert [line for line in seen if "INTO partition_drift" in line] == []
    assert "tenant_40" in placed.listed()
    placed.store.drop_partition(placed.collection, "tenant_40")
    placed.sweep()
    assert (drift_report(placed), placed.row(number).generation) == (others, 1)


def test_no_drift_is_seen_when_all_is_on_its_way(simple: Product) -> None:
    held, deleted = simple.create("Held"), simple.create_ready()
    simple.claim(held)
    simple.delete(deleted, due=False)
    simple.imported_tenants(1, first=7)
    simple.sweep(ListingStore(f"tenant_{deleted.id}", "tenant_7"))
    assert simple.row(held).state == "provisioning"
    assert drift_report(simple) == {}


def test_partition_is_an_orphan_when_its_tenant_has_one_elsewhere(simple: Product) -> None:
    tenant = simple.create_ready()
    other = simple.configured(milvus_collection="other")
    other.sweep(ListingStore(f"tenant_{tenant.id}"))
    (orphan,) = known(simple).orphan
    assert (orphan.tenant_id, orphan.collection) == (tenant.id, "other")
    assert simple.collection in str(orphan.note)


def test_empty_partition_is_dropped_again_when_its_tenant_was_removed(whole: Product) -> None:
    number = remove(whole)
    whole.occupy(number)
    whole.sweep()
    assert whole.listed() == frozenset()
    assert (whole.event_names(number)[-1], drift_report(whole)) == ("drift", {})
    assert whole.row(number).state == "removed"


def test_partition_of_a_removed_tenant_is_kept_when_it_holds_rows(whole: Product) -> None:
    number = remove(whole)
    name = f"tenant_{number}"
    whole.occupy(number, 3)
    whole.sweep()
    assert drift_report(whole) == {name: ("orphan", 3)}
    watched = FaultyStore(whole.store)
    whole.sweep(watched)
    assert (watched.calls, drift_report(whole)) == (["list"], {name: ("orphan", 3)})


@pytest.mark.parametrize("trouble", ["counting", "dropping"])
def test_drop_is_tried_again_by_the_next_sweep_when_it_failed(whole: Product, trouble: str) -> None:
    number = remove(whole)
    whole.occupy(number)
    failing = FaultyStore(whole.store)
    setattr(failing, trouble, StoreError(Cause.TIMEOUT, "slow"))
    whole.sweep(failing)
    assert drift_report(whole)[f"tenant_{number}"][0] == "resurrected"
    whole.sweep()
    assert drift_report(whole) == {}


def test_nothing_is_resurrected_when_it_was_removed_meanwhile(simple: Product) -> None:
    tenant = simple.create_ready()
    simple.delete(tenant, due=False)
    milvus = ListingStore(f"tenant_{tenant.id}")
    milvus.meanwhile = lambda: simple.change(
        tenant, state=PartitionState.REMOVED, state_since=utc_now()
    )
    simple.sweep(milvus)
    # Nothing is counted; the first listing compared the database.
    assert (drift_report(simple), milvus.calls) == ({}, ["list", "list"])


# What is known without asking.


def test_later_comparison_stands_when_a_sweeper_was_frozen(product: Product) -> None:
    product.sweep(ListingStore("tenant_40"))
    late = a_listing(product)
    product.sweep(ListingStore("tenant_40"))
    store_report(product.database, late, [])
    assert drift_report(product) == {"tenant_40": ("orphan", None)}


def test_rows_stay_known_when_a_sweep_did_not_count_them(product: Product) -> None:
    product.sweep(ListingStore("tenant_40"))
    now = a_listing(product, "tenant_40")
    (orphan,) = compare(product.database, now).unwanted
    counted = Finding(orphan.kind, None, product.collection, "tenant_40", 9, orphan.note)
    store_report(product.database, now, [counted])
    product.sweep(ListingStore("tenant_40"))
    assert drift_report(product) == {"tenant_40": ("orphan", 9)}


def test_stuck_and_adopted_ones_are_told_from_our_rows(product: Product) -> None:
    _waiting, late, dropping, adopted, fine = (product.create(f"T{n}") for n in range(5))
    product.ask_earlier(late)
    product.make_ready(dropping)
    product.services.tenants.delete(dropping.id, actor=ACTOR)
    product.age(dropping, "drop_began_at")
    product.make_ready(adopted)
    product.change(adopted, adopted_rows=12)
    product.attempts.renew(product.claim(fine), seen_absent=True)
    product.change(fine, state=PartitionState.READY)
    found = known(product)
    assert sorted(each.tenant_id or 0 for each in found.stuck) == [late.id, dropping.id]
    assert [(each.tenant_id, each.rows) for each in found.adopted] == [(adopted.id, 12)]
    assert (found.counts["stuck"], found.counts["adopted"], found.drift) == (2, 1, True)


def test_no_two_make_it_again_when_several_sweep_at_once(product: Product) -> None:
    tenants = [product.create(f"T{n}") for n in range(12)]
    for tenant in tenants:
        product.make_ready(tenant)
    listing = a_listing(product)
    made = all_at_once([lambda: make_again(product.services, listing)] * 4)
    assert sum(made) == 12
    assert {product.row(tenant).generation for tenant in tenants} == {2}
