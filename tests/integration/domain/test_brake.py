"""The brake: what looks like a disaster is not repaired before a human has looked at it."""

import json
from collections.abc import Sequence

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from jobs.cli import dispatch
from jobs.drift import brake
from jobs.drift.brake import ALL_OF, MORE_THAN, WINDOW, Sight, engage, guard
from jobs.drift.compare import Listing, proven_in
from jobs.drift.missing import make_again
from jobs.milvus.store import Place, StoreError
from tests.factories import ACTOR, FaultyStore, Product, no_script
from tests.integration.domain.commands import Run, answer, runner
from tests.model.milvus import InMemoryMilvus
from webapp.db.types import utc_now
from webapp.errors import CollectionIsMissing, NotBraked
from webapp.halts.brake_state import BrakeState, brakes
from webapp.models.causes import Cause
from webapp.models.observed import ObservedCollection
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.partitions.drift import known_drift
from webapp.partitions.requests import ROWS_LOST
from webapp.partitions.summary import summary

# The rules do not depend on the database. The others meet what both databases are asked: what is
# engaged, marked, made again and released, and what two do at once.
ON_SQLITE = pytest.mark.parametrize("both_engines", ["sqlite"], indirect=True, scope="session")


@pytest.fixture
def milvus(product: Product) -> InMemoryMilvus:
    """A server that gives its collections numbers, as Milvus does and Milvus Lite does not."""
    server = InMemoryMilvus()
    server.has_numbers = True
    server.make_collection(name=product.collection)
    return server


def make_ready(product: Product, milvus: InMemoryMilvus, count: int) -> list[int]:
    """Tenants whose partitions are in Milvus, seen by a sweep."""
    numbers = product.imported_tenants(count)
    product.backfill(numbers)
    product.work(milvus, no_script)
    product.sweep(milvus)
    assert product.states() == ["ready"] * count
    return numbers


def lose(product: Product, milvus: InMemoryMilvus, numbers: Sequence[int]) -> None:
    for number in numbers:
        milvus.drop_partition(product.collection, f"tenant_{number}")


def on(product: Product) -> BrakeState:
    (state,) = product.read(brakes)
    return state


def listed(product: Product, milvus: InMemoryMilvus) -> int:
    return len(milvus.list_partitions(product.collection)) - 1


# Many are gone at once.


def test_nothing_is_made_again_when_most_partitions_are_gone(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 15)
    lose(product, milvus, numbers[:11])
    with capture_logs() as logs:
        for _ in range(3):
            product.sweep(milvus)
            product.work(milvus, no_script)
    assert product.states() == ["missing"] * 11 + ["ready"] * 4
    assert listed(product, milvus) == 4
    state = on(product)
    assert (state.reason, state.gone, state.proven) == ("partitions_gone", 11, 15)
    row = product.row(numbers[0])
    assert (row.cause, row.rows_lost_at, row.generation) == ("partitions_gone", None, 1)
    assert product.event_names(numbers[0])[-1] == "missing"
    engaged = [line for line in logs if line["event"] == "milvus.collection.brake_engaged"]
    assert [(line["log_level"], line["gone"]) for line in engaged] == [("error", 11)]
    counted = product.read(summary, product.settings)
    assert (counted.states["missing"], counted.tenants) == (11, 15)
    known = product.read(known_drift, product.services.policy)
    assert (known.counts["missing"], len(known.missing)) == (11, 11)


@pytest.mark.parametrize(("count", "gone"), [(15, MORE_THAN), (240, 12)])
@ON_SQLITE
def test_all_are_made_again_when_few_are_gone(
    product: Product, milvus: InMemoryMilvus, count: int, gone: int
) -> None:
    numbers = make_ready(product, milvus, count)
    lose(product, milvus, numbers[:gone])
    product.sweep(milvus)
    assert product.read(brakes) == []
    product.work(milvus, no_script)
    assert product.states() == ["ready"] * count
    assert [bool(product.row(each).rows_lost_at) for each in numbers[gone - 1 : gone + 1]] == [
        True,
        False,
    ]


@ON_SQLITE
def test_trickle_ends_at_the_brake_when_each_sweep_finds_few_gone(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 30)
    lose(product, milvus, numbers[:9])
    product.sweep(milvus)
    product.work(milvus, no_script)
    assert product.states() == ["ready"] * 30
    lose(product, milvus, numbers[9:12])
    product.sweep(milvus)
    assert (on(product).gone, product.states().count("missing")) == (3, 3)


def test_losses_are_counted_together_when_they_are_new_and_nobody_has_seen_them(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 40)
    for since, batch in enumerate((numbers[:6], numbers[6:12])):
        lose(product, milvus, batch)
        product.sweep(milvus)
        product.work(milvus, no_script)
        assert product.read(brakes) == []
        for number in batch if since else ():
            product.services.losses.acknowledge(number, actor=ACTOR)
        for number in () if since else batch:
            product.age(number, "rows_lost_at", WINDOW.total_seconds() + 1)
    lose(product, milvus, numbers[12:18])
    product.sweep(milvus)
    assert product.read(brakes) == []


def test_they_are_ready_again_unmade_when_milvus_lists_them_again(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 12)
    for number in numbers:
        milvus.insert_rows(product.collection, f"tenant_{number}", 3)
    away = milvus.collections[product.collection]
    milvus.collections[product.collection] = {"_default": 0}
    product.sweep(milvus)
    assert product.states() == ["missing"] * 12
    milvus.collections[product.collection] = dict(list(away.items())[:8])
    product.sweep(milvus)
    # Nobody has decided, so the few that are left stay as they are.
    assert sorted(product.states()) == ["missing"] * 5 + ["ready"] * 7
    milvus.collections[product.collection] = away
    with capture_logs() as logs:
        product.sweep(milvus)
    assert product.states() == ["ready"] * 12
    assert product.read(brakes) == []
    row = product.row(numbers[0])
    assert (row.generation, row.rows_lost_at, row.cause, row.error) == (1, None, None, None)
    assert product.event_names(numbers[0])[-1] == "found"
    assert [line["event"] for line in logs].count("milvus.collection.brake_released") == 1


def marked(product: Product) -> list[int]:
    """Those whose rows may be lost."""
    return product.select(
        select(Partition.tenant_id).where(ROWS_LOST).order_by(Partition.tenant_id)
    )


def test_what_came_back_empty_is_marked_when_it_was_made_by_hand(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 13)
    lose(product, milvus, numbers)
    product.sweep(milvus)
    for number in numbers:
        milvus.create_partition(product.collection, f"tenant_{number}")
    milvus.insert_rows(product.collection, f"tenant_{numbers[0]}", 3)
    product.sweep(milvus)
    assert (product.states(), product.read(brakes)) == (["ready"] * 13, [])
    assert marked(product) == numbers[1:]
    full, empty = (product.events(each)[-1] for each in numbers[:2])
    assert (full.event, empty.event) == ("milvus.partition.found",) * 2
    assert "its rows may be lost" in str(empty.message) and "lost" not in str(full.message)
    # The mark is no new loss.
    product.sweep(milvus)
    assert product.read(brakes) == []


@ON_SQLITE
def test_what_came_back_stays_missing_while_it_cannot_be_counted(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 13)
    away = dict(milvus.collections[product.collection])
    lose(product, milvus, numbers)
    product.sweep(milvus)
    milvus.collections[product.collection] = away
    busy = FaultyStore(milvus, counting=StoreError(Cause.RATE_LIMITED, "flush"))
    product.sweep(busy)
    assert product.states() == ["missing"] * 13
    broken = FaultyStore(milvus, counting=StoreError(Cause.UNEXPECTED, "no segment"))
    product.sweep(broken)
    assert (product.states(), marked(product)) == (["ready"] * 13, numbers)
    assert "could not be counted" in str(product.events(numbers[0])[-1].message)


@ON_SQLITE
def test_nothing_is_counted_when_the_known_collection_is_back(
    product: Product, milvus: InMemoryMilvus
) -> None:
    make_ready(product, milvus, 2)
    away = milvus.collections.pop(product.collection)
    product.sweep(milvus)
    milvus.collections[product.collection] = away
    store = FaultyStore(milvus)
    product.sweep(store)
    assert (product.states(), marked(product)) == (["ready"] * 2, [])
    assert "count each" not in store.calls


@ON_SQLITE
def test_what_is_in_an_accepted_collection_is_counted(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 3)
    milvus.replace_collection(product.collection)
    product.sweep(milvus)
    for number in numbers:
        milvus.create_partition(product.collection, f"tenant_{number}")
    product.services.brakes.make_again(product.collection, actor=ACTOR)
    product.sweep(milvus)
    assert (product.states(), marked(product)) == (["ready"] * 3, numbers)


def test_partitions_of_an_accepted_collection_are_marked_where_they_are_empty(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 3)
    milvus.replace_collection(product.collection, *(f"tenant_{each}" for each in numbers))
    milvus.insert_rows(product.collection, f"tenant_{numbers[0]}", 3)
    product.sweep(milvus)
    assert (on(product).gone, product.states()) == (0, ["ready"] * 3)
    product.services.brakes.make_again(product.collection, actor=ACTOR)
    product.sweep(FaultyStore(milvus, counting=StoreError(Cause.TIMEOUT, "slow")))
    assert marked(product) == []
    later = product.create("Later").id
    product.work(milvus, no_script)
    product.sweep(milvus)
    assert (product.states(), marked(product)) == (["ready"] * 4, numbers[1:])
    for number in numbers[1:]:
        product.services.losses.acknowledge(number, actor=ACTOR)
    product.sweep(milvus)
    assert (marked(product), product.row(later).rows_lost_at) == ([], None)


# The decision.


def test_missing_ones_are_made_again_and_marked_when_an_operator_decides_so(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 13)
    lose(product, milvus, numbers[1:])
    product.sweep(milvus)
    decided = product.services.brakes.make_again(product.collection, actor=ACTOR)
    assert (decided.gone, decided.proven) == (12, 13)
    product.sweep(milvus)
    product.work(milvus, no_script)
    product.sweep(milvus)
    assert (product.states(), product.read(brakes)) == (["ready"] * 13, [])
    assert product.read(summary, product.settings).rows_lost == 12
    (entry,) = product.audited("brake.")
    assert (entry.action, entry.target) == (
        "brake.make_again",
        f"collection {product.collection}",
    )
    # They are decided about, so the next one that is lost is the only one.
    lose(product, milvus, numbers[:1])
    product.sweep(milvus)
    assert product.read(brakes) == []
    assert product.row(numbers[0]).state == PartitionState.PENDING


def test_brake_stays_on_when_an_operator_waits(product: Product, milvus: InMemoryMilvus) -> None:
    numbers = make_ready(product, milvus, 12)
    lose(product, milvus, numbers)
    product.sweep(milvus)
    product.services.brakes.wait(product.collection, actor=ACTOR)
    product.sweep(milvus)
    state = on(product)
    assert (state.acknowledged_by, state.is_on) == (ACTOR.name, True)
    assert product.states() == ["missing"] * 12
    assert [entry.action for entry in product.audited("brake.")] == ["brake.wait"]


def test_decision_is_refused_when_no_brake_is_on(simple: Product) -> None:
    with pytest.raises(NotBraked):
        simple.services.brakes.make_again(simple.collection, actor=ACTOR)
    with pytest.raises(NotBraked):
        simple.services.brakes.wait("nowhere", actor=ACTOR)


def test_brake_is_on_again_when_more_is_lost_after_the_decision(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 30)
    lose(product, milvus, numbers[:11])
    product.sweep(milvus)
    product.services.brakes.make_again(product.collection, actor=ACTOR)
    lose(product, milvus, numbers[11:])
    product.sweep(milvus)
    assert (on(product).gone, set(product.states())) == (30, {"missing"})


# First creations, deletions, and requests that were made before.


@ON_SQLITE
def test_new_tenants_go_on_when_partitions_of_others_are_gone(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 12)
    lose(product, milvus, numbers)
    product.sweep(milvus)
    new = product.create("New")
    product.work(milvus, no_script)
    assert product.row(new).state == PartitionState.READY
    assert listed(product, milvus) == 1


def test_new_tenants_wait_and_say_why_when_another_collection_answers(
    product: Product, milvus: InMemoryMilvus
) -> None:
    make_ready(product, milvus, 2)
    milvus.replace_collection(product.collection)
    product.sweep(milvus)
    assert on(product).reason == Cause.COLLECTION_REPLACED
    new = product.create("New")
    product.work(milvus, no_script)
    row = product.row(new)
    assert (row.state, row.cause, row.attempts) == ("pending", "collection_replaced", 0)
    assert "operator" in str(row.error)
    reconciler = product.reconciler(milvus)
    reconciler.dispatch_due()
    assert (product.queued(), listed(product, milvus)) == ([], 0)
    product.services.brakes.make_again(product.collection, actor=ACTOR)
    reconciler.dispatch_due()
    product.sweep(milvus)
    product.work(milvus, no_script)
    assert (product.states(), listed(product, milvus)) == (["ready"] * 3, 3)
    assert (product.row(new).cause, product.row(new).rows_lost_at) == (None, None)


def test_nothing_is_dropped_or_proven_gone_while_the_brake_is_on(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 14)
    product.delete(*numbers[:2])
    lose(product, milvus, numbers[1:])
    product.sweep(milvus)
    assert product.remove_due(milvus) == 0
    assert [product.row(each).state for each in numbers[:2]] == ["removing"] * 2
    product.services.brakes.make_again(product.collection, actor=ACTOR)
    assert product.remove_due(milvus) == 2
    assert product.departure(numbers[1]).outcome == "absent"


def test_no_drop_begins_when_the_brake_comes_after_its_claim(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 13)
    product.delete(numbers[0])
    (removal,) = product.removal_claims.claim(product.collection, 10)
    lose(product, milvus, numbers[1:])
    product.sweep(milvus)
    assert product.removal_claims.begin({removal: 0}) == []
    assert product.removal_claims.record_gone([removal], set(), product.collection) == 0


@ON_SQLITE
def test_requests_of_lost_ones_wait_when_the_brake_came_after_them(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 13)
    lose(product, milvus, numbers[:1])
    product.sweep(milvus)
    lose(product, milvus, numbers[1:])
    product.sweep(milvus)
    product.work(milvus, no_script)
    row = product.row(numbers[0])
    assert (row.state, row.cause) == ("pending", "partitions_gone")
    assert listed(product, milvus) == 0


def test_no_sweep_passes_the_brake_when_it_was_frozen_before(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 12)
    lose(product, milvus, numbers)
    (ready, missing), names = proven_in(product.database, product.collection), frozenset[str]()
    late = Listing(product.collection, utc_now(), ready, names, None, missing)
    product.sweep(milvus)
    assert make_again(product.services, late) == 0
    assert set(product.states()) == {"missing"}


def test_nothing_is_engaged_when_a_later_comparison_is_known(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 12)
    late = Sight(product.collection, utc_now(), Cause.PARTITIONS_GONE, 12, 12)
    product.sweep(milvus)
    assert not engage(product.database, late)
    assert (product.read(brakes), product.row(numbers[0]).state) == ([], "ready")


@ON_SQLITE
def test_retry_backfill_and_verify_are_no_way_round_the_brake(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 12)
    lose(product, milvus, numbers)
    product.sweep(milvus)
    assert product.backfill(numbers).accepted == 0
    assert product.retry_failed().accepted == 0
    product.work(milvus, no_script)
    assert (listed(product, milvus), set(product.states())) == (0, {"missing"})


@ON_SQLITE
def test_deleted_and_restored_ones_stay_held_when_they_were_missing(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 12)
    lose(product, milvus, numbers)
    product.sweep(milvus)
    product.delete(numbers[0], due=False)
    product.services.tenants.restore(numbers[0], actor=ACTOR)
    product.work(milvus, no_script)
    assert (product.row(numbers[0]).state, listed(product, milvus)) == ("pending", 0)
    product.services.brakes.make_again(product.collection, actor=ACTOR)
    product.reconciler(milvus).dispatch_due()
    product.work(milvus, no_script)
    row = product.row(numbers[0])
    assert (row.state, bool(row.rows_lost_at)) == (PartitionState.READY, True)


# The collection itself.


def test_all_are_missing_when_the_collection_is_and_ready_when_it_is_back(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 3)
    away = milvus.collections.pop(product.collection)
    product.sweep(milvus)
    assert product.states() == ["missing"] * 3
    assert product.row(numbers[0]).cause == "collection_missing"
    assert on(product).reason == Cause.COLLECTION_MISSING
    product.delete(numbers[2])
    assert product.remove_due(milvus) == 0
    with pytest.raises(CollectionIsMissing):
        product.services.brakes.make_again(product.collection, actor=ACTOR)
    milvus.collections[product.collection] = away
    product.sweep(milvus)
    assert (product.states(), product.read(brakes)) == (["ready", "ready", "removing"], [])


@ON_SQLITE
def test_sign_up_waits_when_the_missing_collection_comes_back_as_another_one(
    product: Product, milvus: InMemoryMilvus
) -> None:
    """Also before a sweep has seen which one it is."""
    make_ready(product, milvus, 2)
    milvus.drop_collection(product.collection)
    product.sweep(milvus)
    milvus.make_collection(name=product.collection)
    late = product.create("Late")
    product.work(milvus, no_script)
    row = product.row(late)
    assert (row.state, row.attempts, row.cause) == ("pending", 0, "collection_missing")
    product.sweep(milvus)
    assert on(product).reason == Cause.COLLECTION_REPLACED
    product.services.brakes.make_again(product.collection, actor=ACTOR)
    product.reconciler(milvus).dispatch_due()
    product.work(milvus, no_script)
    row = product.row(late)
    assert (row.state, row.rows_lost_at) == (PartitionState.READY, None)


@ON_SQLITE
def test_no_absence_is_recorded_when_the_sweep_has_not_seen_the_missing_collection(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 2)
    product.delete(numbers[0])
    milvus.drop_collection(product.collection)
    assert product.remove_due(milvus) == 0
    assert product.departure(numbers[0]).outcome is None
    product.delete(numbers[1])
    assert product.remove_due(milvus) == 2


@ON_SQLITE
def test_another_collection_is_not_trusted_when_it_lists_the_same_partitions(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 2)
    product.delete(numbers[1])
    milvus.replace_collection(product.collection, f"tenant_{numbers[0]}")
    # Before any sweep: the removal sees it for itself.
    assert product.remove_due(milvus) == 0
    product.sweep(milvus)
    state = on(product)
    assert (state.reason, state.gone, state.proven) == ("collection_replaced", 0, 1)
    assert product.row(numbers[0]).state == PartitionState.READY
    assert product.remove_due(milvus) == 0
    product.services.brakes.make_again(product.collection, actor=ACTOR)
    product.sweep(milvus)
    assert product.read(brakes) == []
    seen = product.read(Session.get_one, ObservedCollection, product.collection)
    assert seen.collection_id == milvus.numbers[product.collection]
    assert product.remove_due(milvus) == 1


@ON_SQLITE
def test_brake_is_off_by_itself_when_the_right_server_is_back(
    product: Product, milvus: InMemoryMilvus
) -> None:
    make_ready(product, milvus, 2)
    wrong = InMemoryMilvus()
    wrong.has_numbers = True
    for _ in range(2):
        wrong.make_collection(name=product.collection)
        wrong.numbers[product.collection] = 77
    product.sweep(wrong)
    assert product.states() == ["missing"] * 2
    product.sweep(milvus)
    assert (product.states(), product.read(brakes)) == (["ready"] * 2, [])


@ON_SQLITE
def test_another_collection_is_accepted_when_nothing_was_proven_in_the_first(
    product: Product, milvus: InMemoryMilvus
) -> None:
    product.sweep(milvus)
    milvus.replace_collection(product.collection)
    product.sweep(milvus)
    tenant = product.create()
    product.work(milvus, no_script)
    assert (product.row(tenant).state, product.read(brakes)) == ("ready", [])


def test_few_are_made_again_when_their_collection_came_back_without_them(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 4)
    away = milvus.collections.pop(product.collection)
    product.sweep(milvus)
    del away[f"tenant_{numbers[0]}"]
    milvus.collections[product.collection] = away
    product.sweep(milvus)
    product.work(milvus, no_script)
    assert (product.states(), product.read(brakes)) == (["ready"] * 4, [])
    assert [bool(product.row(each).rows_lost_at) for each in numbers] == [True, *[False] * 3]


# A server without numbers of collections.


@pytest.mark.parametrize("count", [ALL_OF - 1, ALL_OF])
@ON_SQLITE
def test_collection_without_a_number_counts_as_another_when_all_of_several_are_gone(
    product: Product, milvus: InMemoryMilvus, count: int
) -> None:
    milvus.numbers[product.collection] = 0
    numbers = make_ready(product, milvus, count)
    lose(product, milvus, numbers)
    product.sweep(milvus)
    if count < ALL_OF:
        assert product.states() == ["pending"] * count
        return
    assert (on(product).reason, product.states()) == ("collection_replaced", ["missing"] * count)
    product.services.brakes.make_again(product.collection, actor=ACTOR)
    product.sweep(milvus)
    product.work(milvus, no_script)
    product.sweep(milvus)
    assert (product.states(), product.read(brakes)) == (["ready"] * count, [])


@ON_SQLITE
def test_collection_without_a_number_counts_as_another_when_it_was_away_and_is_empty(
    product: Product, milvus: InMemoryMilvus
) -> None:
    milvus.numbers[product.collection] = 0
    make_ready(product, milvus, 1)
    milvus.drop_collection(product.collection)
    product.sweep(milvus)
    assert on(product).reason == Cause.COLLECTION_MISSING
    milvus.has_numbers = False
    milvus.make_collection(name=product.collection)
    product.sweep(milvus)
    assert (on(product).reason, product.states()) == ("collection_replaced", ["missing"])


# Other dangers.


@ON_SQLITE
def test_nothing_is_missing_when_milvus_does_not_answer_or_an_alias_moved(
    product: Product, milvus: InMemoryMilvus
) -> None:
    make_ready(product, milvus, 12)
    silent = FaultyStore(milvus, listing=StoreError(Cause.TIMEOUT, "slow"))  # type: ignore[arg-type]
    product.sweep(silent)
    assert (product.states(), product.read(brakes)) == (["ready"] * 12, [])


def test_row_is_not_missing_when_it_was_proven_after_the_listing(
    product: Product, milvus: InMemoryMilvus
) -> None:
    numbers = make_ready(product, milvus, 12)
    (ready, _missing), names = proven_in(product.database, product.collection), frozenset[str]()
    product.change(numbers[0], verified_at=utc_now())
    asked_at = product.row(numbers[0]).verified_at
    assert asked_at
    place = milvus.locate(product.collection)
    listing = Listing(product.collection, asked_at, ready, names, place)
    assert guard(product.database, milvus, listing)
    assert product.states() == ["ready", *["missing"] * 11]


def test_mark_is_kept_when_the_worker_died_after_it_made_the_partition(
    product: Product, milvus: InMemoryMilvus
) -> None:
    (number,) = make_ready(product, milvus, 1)
    product.delete(number, due=False)
    lose(product, milvus, [number])
    product.services.tenants.restore(number, actor=ACTOR)
    (claim,) = product.claim(number, product.row(number).generation)
    product.attempts.renew([claim], seen_absent=True)
    milvus.create_partition(product.collection, f"tenant_{number}")
    product.age(number, "lease_until")
    product.reconciler(milvus).dispatch_due()
    product.work(milvus, no_script)
    row = product.row(number)
    assert (row.state, row.result, bool(row.rows_lost_at)) == ("ready", "already_exists", True)


def test_no_two_sweeps_engage_it_twice(product: Product, milvus: InMemoryMilvus) -> None:
    seen = Sight(product.collection, utc_now(), Cause.PARTITIONS_GONE, 12, 12)
    with capture_logs() as logs:
        assert engage(product.database, seen)
        assert engage(product.database, seen)
    assert len([line for line in logs if line["log_level"] == "error"]) == 1


# The commands.


@pytest.fixture
def braked(whole: Product) -> Product:
    """A product on Milvus Lite whose three partitions are gone."""
    for n in range(3):
        whole.create(f"T{n}")
    whole.work()
    for n in range(1, 4):
        whole.store.drop_partition(whole.collection, f"tenant_{n}")
    return whole


def test_verify_says_that_a_brake_is_on_and_repairs_nothing(braked: Product) -> None:
    verify = runner(braked)
    result = verify("partitions", "verify", "--repair", "--json")
    assert result.exit_code == 1
    shown = answer(result)
    assert shown["repaired"] == {"missing": 0, "resurrected": 0}
    assert [each["reason"] for each in shown["brakes"]] == ["collection_replaced"]
    assert len(shown["missing"]) == 3
    assert "flask partitions brake --make-again" in result.stderr
    assert braked.states() == ["missing"] * 3
    assert braked.audited("partitions.repair") == []


def test_partitions_that_somebody_made_again_behind_a_brake_are_marked(braked: Product) -> None:
    braked.sweep()
    for n in range(1, 4):
        braked.occupy(n, rows=2 if n == 1 else 0)
    braked.sweep()
    assert (braked.states(), braked.read(brakes)) == (["ready"] * 3, [])
    assert marked(braked) == [2, 3]


def test_brake_is_shown_and_decided_by_a_command(braked: Product) -> None:
    run = runner(braked)
    none = run("partitions", "brake")
    assert (none.exit_code, none.stdout) == (0, "No brake is on.\n")
    braked.sweep()
    shown = run("partitions", "brake", "--json")
    assert (shown.exit_code, answer(shown)[0]["gone"]) == (1, 3)
    assert "3 of 3 partitions are missing" in run("partitions", "brake").stdout
    waited = run("partitions", "brake", "--wait", braked.collection, "--json")
    (entry,) = braked.audited("brake.")
    assert waited.exit_code == 1
    assert answer(waited)[0]["acknowledged_by"] == f"cli:{entry.address}"
    wrong = run("partitions", "brake", "--make-again", "other")
    assert (wrong.exit_code, "Nothing is held back" in wrong.stderr) == (2, False)
    assert "nothing is held back in the collection other" in wrong.stderr
    decided = run("partitions", "brake", "--make-again", braked.collection)
    assert (decided.exit_code, decided.stdout) == (0, "No brake is on.\n")
    braked.sweep()
    braked.work()
    assert braked.states() == ["ready"] * 3
    status = answer(run("partitions", "status", "--json"))
    assert (status["missing"], status["rows_lost"]) == (0, 3)


def test_losses_are_acknowledged_by_a_command(braked: Product) -> None:
    braked.sweep()
    braked.services.brakes.make_again(braked.collection, actor=ACTOR)
    braked.sweep()
    run: Run = runner(braked)
    early = run("partitions", "acknowledge", "--all", "--json")
    assert answer(early)["acknowledged"] == 0
    braked.work()
    dry = run("partitions", "acknowledge", "--dry-run")
    assert dry.stdout == "3 would be acknowledged\n"
    unnamed = run("partitions", "acknowledge", "--json")
    assert (unnamed.exit_code, unnamed.stdout) == (2, "")
    assert "--tenant-id" in unnamed.stderr and "--all" in unnamed.stderr
    assert all(braked.row(each).rows_lost_at for each in (1, 2, 3))
    one = run("partitions", "acknowledge", "--tenant-id", "2", "--json")
    assert (one.exit_code, answer(one)["acknowledged"]) == (0, 1)
    assert braked.row(2).rows_lost_at is None
    assert braked.event_names(2)[-1] == "acknowledged"
    assert answer(run("partitions", "acknowledge", "--all", "--json"))["acknowledged"] == 2
    (first, second) = braked.audited("operation.acknowledge")
    assert json.loads(second.after or "")["tenants"] == 2
    assert first.actor == "cli"
    unknown = run("partitions", "acknowledge", "--tenant-id", "99")
    assert unknown.exit_code == 2


def replaced(product: Product, milvus: InMemoryMilvus) -> int:
    """A collection that was replaced, and an imported tenant; returns the tenant's number."""
    make_ready(product, milvus, 2)
    milvus.replace_collection(product.collection)
    product.sweep(milvus)
    (number,) = product.imported_tenants(1, first=50)
    return number


def claimed_at_once(product: Product, patch: pytest.MonkeyPatch) -> None:
    """Let a worker have each job before its dispatcher has marked the rows."""
    queue = product.services.job_queue
    push = queue.push_chunk

    def push_and_claim(rows: Sequence[Partition]) -> str:
        job_id = push(rows)
        product.attempts.claim([(row.tenant_id, row.generation) for row in rows], job_id)
        return job_id

    patch.setattr(queue, "push_chunk", push_and_claim)


def test_backfill_names_the_brake_that_holds_its_tenants(
    product: Product, milvus: InMemoryMilvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = replaced(product, milvus)
    claimed_at_once(product, monkeypatch)
    told = runner(product)("partitions", "backfill", "--json")
    assert (told.exit_code, answer(told)["waiting"]) == (1, 1)
    assert "collection_replaced since" in told.stderr
    assert f"flask partitions brake --make-again {product.collection}" in told.stderr
    assert "Redis" not in told.stderr
    assert product.row(number).cause == "collection_replaced"


@pytest.mark.parametrize("command", ["backfill", "retry"])
def test_brake_is_named_when_all_that_were_asked_for_are_missing(
    product: Product, milvus: InMemoryMilvus, command: str
) -> None:
    numbers = make_ready(product, milvus, 2)
    milvus.drop_collection(product.collection)
    product.sweep(milvus)
    asked = ("partitions", command, "--tenant-id", str(numbers[0]))
    told = runner(product)(*asked, "--json")
    assert (told.exit_code, answer(told)["skipped"]) == (1, {"missing": 1})
    assert "collection_missing since" in told.stderr
    dry = runner(product)(*asked, "--dry-run")
    assert (dry.exit_code, "collection_missing since" in dry.stderr) == (1, True)
    # An empty one in its place would make the loss final.
    assert "find out where it went" in told.stderr


def test_retry_names_the_brake_that_holds_its_tenants(
    product: Product, milvus: InMemoryMilvus
) -> None:
    number = replaced(product, milvus)
    product.backfill([number])
    product.change(number, state="failed", cause=Cause.TIMEOUT, ready_at=None)
    told = runner(product)("partitions", "retry")
    assert (told.exit_code, told.stdout.splitlines()[-1]) == (1, "1 waiting")
    assert "flask partitions brake --make-again" in told.stderr


def test_no_brake_is_named_when_it_holds_none_of_the_tenants(
    product: Product, milvus: InMemoryMilvus
) -> None:
    lose(product, milvus, make_ready(product, milvus, 12))
    product.sweep(milvus)
    (number,) = product.imported_tenants(1, first=50)
    told = runner(product)("partitions", "backfill", "--tenant-id", str(number))
    assert (told.exit_code, "brake" in told.stderr) == (0, False)


def test_waiting_command_names_a_brake_that_came_meanwhile(
    product: Product, milvus: InMemoryMilvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    (number,), run = product.imported_tenants(1), runner(product)

    def meanwhile(_: float) -> None:
        if not product.read(brakes):
            monkeypatch.setattr(dispatch, "HINT_AFTER_S", 0.0)
            place = Place("other", 7, 7)
            seen = Sight(product.collection, utc_now(), Cause.COLLECTION_REPLACED, 1, 1, place)
            assert engage(product.database, seen)
            return
        brake.release(product.database, product.collection)
        product.make_ready(number)

    monkeypatch.setattr(dispatch.time, "sleep", meanwhile)
    told = run("partitions", "backfill", "--wait")
    assert (told.exit_code, "collection_replaced since" in told.stderr) == (0, True)
