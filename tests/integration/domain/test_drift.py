"""Where Milvus departs from our rows: seen by the sweep, repaired or reported, written once."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from jobs.drift.compare import Listing, compare, make_again, ready_in
from jobs.drift.observations import observed_collections
from jobs.drift.report import store_report
from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.store import StoreError
from tests.engines.lite import LiteServer
from tests.factories import ACTOR, FaultyStore, Product, all_at_once, statements
from tests.milvus_collections import insert_rows
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.observed import PartitionDrift
from webapp.models.states import PartitionState
from webapp.partitions.drift import Finding, known_drift


def collection_of(product: Product) -> str:
    return product.settings.milvus_collection


def make_ready(product: Product, store: MilvusPartitionStore, count: int) -> list[int]:
    numbers = product.imported_tenants(count)
    product.backfill(numbers)
    product.work(store)
    assert set(product.states()) == {"ready"}
    return numbers


def remove(product: Product, store: MilvusPartitionStore) -> int:
    """A tenant that has departed; its partition is gone."""
    tenant = product.create("Departed")
    product.work(store)
    product.services.tenants.delete(tenant.id, actor=ACTOR)
    store.drop_partition(collection_of(product), f"tenant_{tenant.id}")
    product.change(tenant, state=PartitionState.REMOVED)
    product.age(tenant, "state_since", 60)
    return tenant.id


def drift_report(product: Product) -> dict[str, tuple[str, int | None]]:
    with product.database.reading() as session:
        rows = session.scalars(select(PartitionDrift))
        return {row.partition: (str(row.kind), row.rows) for row in rows}


# Missing.


def test_partition_is_made_again_when_somebody_dropped_it(
    placed: Product, store: MilvusPartitionStore
) -> None:
    first, second = make_ready(placed, store, 2)
    store.drop_partition(collection_of(placed), f"tenant_{second}")
    placed.sweep(store)
    row = placed.row(second)
    assert (row.state, row.generation, row.attempts, row.max_attempts) == ("pending", 2, 0, 3)
    assert placed.event_names(second)[-2:] == ["drift", "dispatched"]
    assert placed.events(second)[-2].actor == "sweep"
    assert drift_report(placed) == {f"tenant_{second}": ("missing", None)}
    placed.work(store)
    placed.sweep(store)
    assert f"tenant_{second}" in store.list_partitions(collection_of(placed))
    assert [placed.row(number).generation for number in (first, second)] == [1, 2]
    assert (placed.states(), drift_report(placed)) == (["ready", "ready"], {})


def test_all_are_made_again_in_chunks_when_hundreds_are_missing(
    simple: Product,
) -> None:
    numbers = simple.imported_tenants(600)
    simple.backfill(numbers)
    simple.services.job_queue.backfill_queue.empty()
    with simple.engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql("UPDATE partition SET state = 'ready'")
    simple.sweep(Shown())
    assert set(simple.states()) == {"pending"}
    assert len(simple.queued()) == 6
    simple.sweep(Shown())
    assert len(simple.queued()) == 6
    assert len(drift_report(simple)) == 600


class Shown(FaultyStore):
    """A Milvus that lists what the test says, after doing what the test wants meanwhile."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = frozenset({"_default", *names})
        self.meanwhile: Callable[[], object] = lambda: None

    def list_partitions(self, collection: str) -> frozenset[str]:
        if self.listing:
            raise self.listing
        self.meanwhile()
        return self.names


def test_row_is_not_missing_when_it_became_ready_after_milvus_was_asked(product: Product) -> None:
    tenant = product.create()
    milvus = Shown()
    milvus.meanwhile = lambda: product.make_ready(tenant)
    product.sweep(milvus)
    assert (product.row(tenant).state, product.row(tenant).generation) == ("ready", 1)


def test_row_is_left_alone_when_it_was_made_again_while_milvus_was_asked(product: Product) -> None:
    """Another sweeper saw the same, and a worker was quick: the proof is newer than the list."""
    tenant = product.create()
    product.make_ready(tenant)
    services, collection = product.services, collection_of(product)
    listing = Listing(collection, utc_now(), ready_in(product.database, collection), frozenset())
    comparison = compare(product.database, listing)
    assert make_again(services, comparison) == 1
    product.make_ready(tenant)
    assert make_again(services, comparison) == 0
    assert product.row(tenant).generation == 2


def test_row_is_left_alone_when_a_worker_holds_it(product: Product) -> None:
    tenant = product.create()
    product.claim(tenant)
    product.sweep(Shown())
    assert product.row(tenant).state == "provisioning"
    assert drift_report(product) == {}


def test_nothing_is_missing_when_milvus_does_not_answer(product: Product) -> None:
    tenant = product.create()
    product.make_ready(tenant)
    milvus = Shown()
    milvus.listing = StoreError(Cause.MILVUS_UNREACHABLE, "nobody listens")
    product.sweep(milvus)
    assert (product.row(tenant).state, drift_report(product)) == ("ready", {})


def test_partition_is_made_again_in_the_collection_that_is_not_in_use_any_more(
    product: Product,
) -> None:
    tenant = product.create()
    product.make_ready(tenant)
    product.sweep(Shown(f"tenant_{tenant.id}"))
    moved = product.configured(milvus_collection="another")
    assert observed_collections(moved.database, "another") == ["another", collection_of(product)]
    moved.sweep(Shown())
    assert (moved.row(tenant).state, moved.row(tenant).collection) == (
        "pending",
        collection_of(product),
    )


def test_collection_is_looked_at_when_its_tenants_were_ready_before_any_sweep(
    product: Product,
) -> None:
    for n in range(3):
        product.make_ready(product.create(f"T{n}"))
    with statements(product.engine) as seen:
        looked_at = observed_collections(product.database, "another")
    assert looked_at == ["another", collection_of(product)]
    # A step in the index for each collection, one beyond the last, and the findings.
    assert len([line for line in seen if line.startswith("SELECT")]) == 3


def test_collection_is_asked_for_no_more_when_nothing_of_ours_is_in_it(product: Product) -> None:
    mistyped = product.configured(milvus_collection="mistyped")
    milvus = Shown()
    milvus.listing = StoreError(Cause.COLLECTION_MISSING, "not there")
    mistyped.sweep(milvus)
    assert observed_collections(product.database, "right") == ["right"]


# What nobody wants.


def test_orphans_are_reported_once_and_kept_when_nobody_has_their_number(
    placed: Product, store: MilvusPartitionStore
) -> None:
    (number,) = make_ready(placed, store, 1)
    for name in ("tenant_40", "tenant_007", "tenant_x", "others"):
        store.create_partition(collection_of(placed), name)
    placed.sweep(store)
    assert drift_report(placed) == {"tenant_40": ("orphan", None)}
    with statements(placed.engine) as seen:
        placed.sweep(store)
    assert [line for line in seen if "INTO partition_drift" in line] == []
    assert "tenant_40" in store.list_partitions(collection_of(placed))
    store.drop_partition(collection_of(placed), "tenant_40")
    placed.sweep(store)
    assert (drift_report(placed), placed.row(number).generation) == ({}, 1)


def test_no_drift_is_seen_when_an_imported_tenant_has_its_partition_already(
    product: Product,
) -> None:
    product.imported_tenants(1, first=7)
    product.sweep(Shown("tenant_7"))
    assert drift_report(product) == {}


def test_no_drift_is_seen_when_a_partition_waits_to_be_removed(product: Product) -> None:
    tenant = product.create()
    product.make_ready(tenant)
    product.services.tenants.delete(tenant.id, actor=ACTOR)
    product.sweep(Shown(f"tenant_{tenant.id}"))
    assert drift_report(product) == {}


def test_partition_is_an_orphan_when_its_tenant_has_it_in_another_collection(
    product: Product,
) -> None:
    tenant = product.create()
    product.make_ready(tenant)
    other = product.configured(milvus_collection="other")
    other.sweep(Shown(f"tenant_{tenant.id}"))
    with product.database.reading() as session:
        known = known_drift(session, product.services.policy)
    assert [(each.tenant_id, each.collection) for each in known.orphan] == [(tenant.id, "other")]
    assert collection_of(product) in str(known.orphan[0].note)


def test_empty_partition_of_a_removed_tenant_is_dropped_again_when_it_comes_back(
    placed: Product, store: MilvusPartitionStore
) -> None:
    number = remove(placed, store)
    store.create_partition(collection_of(placed), f"tenant_{number}")
    placed.sweep(store)
    assert store.list_partitions(collection_of(placed)) == {"_default"}
    assert (placed.event_names(number)[-1], drift_report(placed)) == ("drift", {})
    assert placed.row(number).state == "removed"


def test_partition_of_a_removed_tenant_is_kept_when_it_holds_rows(
    placed: Product, store: MilvusPartitionStore, milvus_lite: LiteServer
) -> None:
    number = remove(placed, store)
    name = f"tenant_{number}"
    store.create_partition(collection_of(placed), name)
    insert_rows(milvus_lite.uri, collection_of(placed), name, 3)
    placed.sweep(store)
    assert drift_report(placed) == {name: ("orphan", 3)}
    watched = FaultyStore(store)
    placed.sweep(watched)
    assert (watched.calls, drift_report(placed)) == (["list"], {name: ("orphan", 3)})


@pytest.mark.parametrize("trouble", ["counting", "dropping"])
def test_it_is_tried_again_by_the_next_sweep_when_a_resurrected_one_could_not_be_dropped(
    placed: Product, store: MilvusPartitionStore, trouble: str
) -> None:
    number = remove(placed, store)
    store.create_partition(collection_of(placed), f"tenant_{number}")
    failing = FaultyStore(store)
    setattr(failing, trouble, StoreError(Cause.TIMEOUT, "slow"))
    placed.sweep(failing)
    assert drift_report(placed)[f"tenant_{number}"][0] == "resurrected"
    placed.sweep(store)
    assert drift_report(placed) == {}


def test_nothing_is_resurrected_when_its_removal_was_confirmed_after_milvus_was_asked(
    product: Product,
) -> None:
    tenant = product.create()
    product.make_ready(tenant)
    product.services.tenants.delete(tenant.id, actor=ACTOR)
    milvus = Shown(f"tenant_{tenant.id}")
    milvus.meanwhile = lambda: product.change(
        tenant, state=PartitionState.REMOVED, state_since=utc_now()
    )
    product.sweep(milvus)
    assert (drift_report(product), milvus.calls) == ({}, [])


# What is known without asking.


def test_later_comparison_stands_when_a_sweeper_was_frozen(product: Product) -> None:
    product.sweep(Shown("tenant_40"))
    collection = collection_of(product)
    late = Listing(collection, utc_now(), frozenset(), frozenset())
    product.sweep(Shown("tenant_40"))
    store_report(product.database, late, [])
    assert drift_report(product) == {"tenant_40": ("orphan", None)}


def test_rows_stay_known_when_a_sweep_did_not_count_them(product: Product) -> None:
    product.sweep(Shown("tenant_40"))
    collection = collection_of(product)
    now = Listing(collection, utc_now(), frozenset(), frozenset({"tenant_40"}))
    (orphan,) = compare(product.database, now).unwanted
    counted = Finding(orphan.kind, None, collection, "tenant_40", 9, orphan.note)
    store_report(product.database, now, [counted])
    product.sweep(Shown("tenant_40"))
    assert drift_report(product) == {"tenant_40": ("orphan", 9)}


def test_stuck_and_adopted_ones_are_told_from_our_rows(product: Product) -> None:
    waiting, late, dropping, adopted, fine = (product.create(f"T{n}") for n in range(5))
    product.age(late, "state_since")
    product.make_ready(dropping)
    product.services.tenants.delete(dropping.id, actor=ACTOR)
    product.age(dropping, "drop_began_at")
    product.make_ready(adopted)
    product.change(adopted, adopted_rows=12)
    product.attempts.renew(product.claim(fine), seen_absent=True)
    product.change(fine, state=PartitionState.READY)
    with product.database.reading() as session:
        known = known_drift(session, product.services.policy)
    assert sorted(each.tenant_id or 0 for each in known.stuck) == [late.id, dropping.id]
    assert [(each.tenant_id, each.rows) for each in known.adopted] == [(adopted.id, 12)]
    assert (known.counts["stuck"], known.counts["adopted"], known.drift) == (2, 1, True)
    assert waiting.id not in {each.tenant_id for each in known.stuck}


def test_no_two_make_it_again_when_several_sweep_at_once(product: Product) -> None:
    tenants = [product.create(f"T{n}") for n in range(30)]
    for tenant in tenants:
        product.make_ready(tenant)
    services, collection = product.services, collection_of(product)
    listing = Listing(collection, utc_now(), ready_in(product.database, collection), frozenset())
    comparison = compare(product.database, listing)
    made = all_at_once([lambda: make_again(services, comparison)] * 4)
    assert sum(made) == 30
    assert {product.row(tenant).generation for tenant in tenants} == {2}
