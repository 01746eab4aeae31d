"""Orphans: counted, kept, adopted, dropped; and what no request about one may ever do."""

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from pymilvus import MilvusClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs.drift.orphan_claims import OrphanClaims
from jobs.drift.orphan_requests import OrphanRequests
from jobs.drift.verify import verify
from jobs.milvus.store import PartitionStore, StoreError
from tests.engines.process import wait_until
from tests.factories import ACTOR, FaultyStore, ListingStore, Product
from tests.milvus_collections import insert_rows
from webapp.csv_import.parsing import FileRow
from webapp.db.types import utc_now
from webapp.errors import (
    BeingDropped,
    DomainError,
    InvalidField,
    NotAdoptable,
    NotDroppable,
    OrphanBusy,
    OrphanNotFound,
    SlugTaken,
)
from webapp.models.causes import Cause
from webapp.models.control import Brake, Installation
from webapp.models.observed import PartitionDrift
from webapp.models.orphan import OrphanRequest
from webapp.models.states import OrphanOutcome, PartitionState
from webapp.numbers.counter import HIGHEST
from webapp.partitions.drift import known_drift
from webapp.partitions.orphans import Orphans
from webapp.partitions.policy import ORPHAN_REQUEST_LASTS

SILENT = StoreError(Cause.MILVUS_UNREACHABLE, "no connection")
NAME = "tenant_40"
Decide = Callable[[Product], object]


def report(product: Product) -> dict[str, str]:
    return {row.partition: row.kind for row in product.select(select(PartitionDrift))}


def lay(product: Product, *names: str, rows: int = 0) -> None:
    """Partitions of no tenant, as the sweep then reports them."""
    for name in names:
        product.store.create_partition(product.collection, name)
        if rows:
            insert_rows(product.settings.milvus_address, product.collection, name, rows)
    product.sweep()


def found(product: Product, *names: str) -> None:
    """The report of a sweep without a Milvus."""
    product.sweep(ListingStore(*names))


def request_of(product: Product, name: str = NAME) -> OrphanRequest:
    return product.read(Session.get_one, OrphanRequest, (product.collection, name))


def ask_drop(product: Product, name: str = NAME) -> OrphanRequest:
    return product.services.orphans.drop(product.collection, name, name, actor=ACTOR)


def fulfil(product: Product, store: PartitionStore | None = None) -> int:
    requests = OrphanRequests.of(product.services, store or product.store)
    return requests.run_due(threading.Event())


def bring(product: Product, number: int) -> int:
    """Import a tenant with this number."""
    row = FileRow(2, "Before", "before", str(number))
    return product.services.uploads.import_all([row], dry_run=False, actor=ACTOR)


def actions(product: Product) -> list[str]:
    return [entry.action for entry in product.audited() if entry.action.startswith("orphan.")]


# Counted.


def test_rows_are_counted_when_an_operator_asks(placed: Product) -> None:
    lay(placed, NAME, rows=3)
    orphans = placed.services.orphans
    asked = orphans.count(placed.collection, NAME, actor=ACTOR)
    assert orphans.count(placed.collection, NAME, actor=ACTOR).asked_at == asked.asked_at
    assert (fulfil(placed), fulfil(placed)) == (1, 0)
    request = request_of(placed)
    assert (request.outcome, request.rows, request.lease_until) == ("counted", 3, None)
    (orphan,) = placed.select(select(PartitionDrift))
    assert (orphan.rows, orphan.counted_at) == (3, request.counted_at)
    assert actions(placed) == ["orphan.count"]


def test_request_ends_with_the_reason_when_milvus_does_not_answer(simple: Product) -> None:
    found(simple, NAME)
    simple.services.orphans.count(simple.collection, NAME, actor=ACTOR)
    assert fulfil(simple, FaultyStore(listing=SILENT)) == 1
    request = request_of(simple)
    assert (request.outcome, request.message) == ("failed", "no connection")
    assert fulfil(simple, ListingStore()) == 0, "no request is tried twice"
    simple.services.orphans.count(simple.collection, NAME, actor=ACTOR)
    assert fulfil(simple, ListingStore()) == 1
    assert request_of(simple).outcome == "absent"
    assert report(simple) == {}


# Kept.


def test_kept_orphan_is_no_drift_until_the_decision_is_taken_back(placed: Product) -> None:
    lay(placed, NAME)
    orphans = placed.services.orphans
    orphans.acknowledge(placed.collection, NAME, "of the search team", actor=ACTOR)
    orphans.acknowledge(placed.collection, NAME, "another reason", actor=ACTOR)
    placed.sweep()
    assert not verify(placed.services, placed.store).is_drift
    known = placed.read(known_drift, placed.services.policy)
    assert (known.drift, known.counts["orphan"], known.counts["acknowledged"]) == (False, 0, 1)
    (row,) = placed.select(select(PartitionDrift))
    assert (row.acknowledged_by, row.acknowledged_reason) == (ACTOR.name, "of the search team")
    orphans.take_back(placed.collection, NAME, actor=ACTOR)
    assert verify(placed.services, placed.store).is_drift
    assert actions(placed) == ["orphan.acknowledge", "orphan.take_back"]


def test_decision_lasts_when_a_sweep_compared_while_it_was_made(simple: Product) -> None:
    found(simple, NAME)
    milvus = ListingStore(NAME)
    decide = simple.services.orphans.acknowledge
    milvus.meanwhile = lambda: decide(simple.collection, NAME, actor=ACTOR)
    simple.sweep(milvus)
    assert report(simple) == {NAME: "acknowledged"}


def test_empty_partition_of_a_removed_tenant_stays_when_it_is_kept(simple: Product) -> None:
    tenant = simple.create()
    simple.change(tenant, state=PartitionState.REMOVED)
    simple.age(tenant, "state_since", 60)
    name = f"tenant_{tenant.id}"
    simple.write(
        "INSERT INTO partition_drift (collection, partition, kind, number, first_seen_at)"
        f" VALUES ('{simple.collection}', '{name}', 'orphan', {tenant.id}, '2026-01-01')"
    )
    simple.services.orphans.acknowledge(simple.collection, name, actor=ACTOR)
    milvus = ListingStore(name)
    for _ in range(2):
        simple.sweep(milvus)
        verify(simple.services, milvus, repair_for=ACTOR)
    assert "drop" not in milvus.calls
    assert report(simple) == {name: "acknowledged"}


def test_other_names_are_no_drift_and_can_be_kept_or_dropped(placed: Product) -> None:
    hostile = ["tenant_\u0663", "a" * 255, "<script>alert(1)</script>".replace("/", "")]
    for name in hostile:
        with closing(MilvusClient(placed.settings.milvus_address, dedicated=True)) as client:
            client.create_partition(placed.collection, name)
    lay(placed, "others", "paratia_probe_1")
    assert report(placed) == dict.fromkeys([*hostile, "others"], "other")
    assert not verify(placed.services, placed.store).is_drift
    orphans, adoption = placed.services.orphans, placed.services.adoption
    for name in hostile:
        orphans.acknowledge(placed.collection, name, actor=ACTOR)
        orphans.take_back(placed.collection, name, actor=ACTOR)
        with pytest.raises(NotAdoptable):
            adoption.adopt(placed.collection, name, "A", actor=ACTOR)
        ask_drop(placed, name)
    ask_drop(placed, "others")
    fulfil(placed)
    outcomes = [request_of(placed, name).outcome for name in (*hostile, "others")]
    # Milvus Lite makes folders of names that a server refuses; these we never call it with.
    assert outcomes == ["failed", "dropped", "failed", "dropped"]
    with pytest.raises(OrphanNotFound):
        ask_drop(placed, "paratia_probe_1")


def test_findings_are_forgotten_when_their_collection_is_gone_or_abandoned(
    simple: Product,
) -> None:
    found(simple, NAME, "others")
    elsewhere = simple.configured(milvus_collection="another")
    elsewhere.sweep(ListingStore())
    assert report(simple) == {}

    found(simple, NAME)
    missing = ListingStore()
    missing.listing = StoreError(Cause.COLLECTION_MISSING, "not there")
    simple.sweep(missing)
    assert report(simple) == {NAME: "orphan"}, "it is in use"
    elsewhere.sweep(missing)
    assert report(simple) == {}


# Adopted.


def test_orphan_is_a_tenants_when_it_is_adopted(placed: Product) -> None:
    lay(placed, NAME, rows=3)
    tenant = placed.services.adoption.adopt(placed.collection, NAME, "Lost", actor=ACTOR)
    assert (tenant.id, tenant.name, tenant.slug) == (40, "Lost", "lost")
    placed.work()
    row = placed.row(40)
    assert (row.state, row.adopted_rows, row.result) == ("ready", 3, "already_exists")
    placed.sweep()
    assert (report(placed), placed.listed()) == ({}, {NAME})
    assert placed.create("Next").id == 41
    (entry,) = [each for each in placed.audited() if each.action == "orphan.adopt"]
    assert (entry.tenant_id, '"rows": null' in (entry.before or "")) == (40, True)


def test_partition_is_no_orphan_when_it_was_adopted_during_a_sweep(simple: Product) -> None:
    """The sweep has compared already, and counts the rows of another partition."""
    removed = simple.create()
    simple.change(removed, state=PartitionState.REMOVED)
    simple.age(removed, "state_since", 60)
    found(simple, NAME)

    class Slow(ListingStore):
        def count_rows(self, collection: str, partition: str) -> int | None:
            if NAME in report(simple):
                simple.services.adoption.adopt(collection, NAME, "Lost", actor=ACTOR)
            return 3

    back = f"tenant_{removed.id}"
    simple.sweep(Slow(NAME, back))
    assert simple.row(40).state == PartitionState.PENDING
    assert report(simple) == {back: "orphan"}


def test_adoption_stays_with_its_collection_when_another_one_is_in_use(placed: Product) -> None:
    lay(placed, NAME, rows=3)
    elsewhere = placed.configured(milvus_collection="another")
    elsewhere.services.adoption.adopt(placed.collection, NAME, "Lost", actor=ACTOR)
    assert elsewhere.repair.follow_collection() == 0
    elsewhere.work(placed.store)
    row = placed.row(40)
    assert (row.collection, row.state, row.adopted_rows) == (placed.collection, "ready", 3)


def test_adoption_is_refused_when_the_number_or_the_name_is_unusable(product: Product) -> None:
    deleted, highest = product.create("Deleted"), f"tenant_{HIGHEST}"
    product.services.tenants.delete(deleted.id, actor=ACTOR)
    product.change(deleted, state=PartitionState.REMOVED)
    product.age(deleted, "state_since", 60)
    gone, above = f"tenant_{deleted.id}", f"tenant_{HIGHEST + 1}"
    product.create("Taken")

    class WithRows(ListingStore):
        def count_rows(self, collection: str, partition: str) -> int | None:
            return 7

    product.sweep(WithRows(gone, above, highest, NAME))
    adopt = product.services.adoption.adopt

    def refused(name: str, error: type[DomainError], title: str = "A", slug: Any = None) -> None:
        with pytest.raises(error):
            adopt(product.collection, name, title, slug, actor=ACTOR)

    refused(gone, NotAdoptable)
    refused(above, NotAdoptable)
    refused("tenant_41", OrphanNotFound)
    refused(NAME, InvalidField, "")
    refused(NAME, InvalidField, "\u202e")
    refused(NAME, SlugTaken, "A", "taken")
    assert adopt(product.collection, highest, "Out of reach", actor=ACTOR).id == HIGHEST
    assert product.create("Next").id == HIGHEST + 1


# Dropped.


def test_orphan_is_dropped_with_proof_when_its_name_was_typed(placed: Product) -> None:
    lay(placed, NAME, rows=3)
    with pytest.raises(NotDroppable):
        placed.services.orphans.drop(placed.collection, NAME, "tenant_4", actor=ACTOR)
    ask_drop(placed)
    assert fulfil(placed) == 1
    request = request_of(placed)
    assert (request.outcome, request.rows) == ("dropped", 3)
    assert request.real_collection == placed.collection
    assert (placed.listed(), report(placed)) == (frozenset(), {})
    assert actions(placed) == ["orphan.drop", "orphan.dropped"]
    assert '"rows": 3' in (placed.audited()[-1].before or "")
    assert placed.create("Next").id == 41, "the number is not used again"


def test_drop_is_refused_when_provisioning_is_paused(simple: Product) -> None:
    found(simple, NAME)
    ask_drop(simple)
    simple.services.pauses.pause(actor=ACTOR)
    milvus = ListingStore(NAME)
    fulfil(simple, milvus)
    assert (request_of(simple).outcome, "drop" in milvus.calls) == ("refused", False)
    assert request_of(simple).message == "provisioning is paused"
    assert actions(simple) == ["orphan.drop", "orphan.not_dropped"]
    with pytest.raises(NotDroppable, match="provisioning is paused"):
        ask_drop(simple)


@pytest.mark.parametrize("held", ["brake", "restore"])
def test_drop_is_refused_when_a_human_must_look_first(simple: Product, held: str) -> None:
    found(simple, NAME)
    ask_drop(simple)
    with simple.database.transaction() as session:
        if held == "brake":
            seen = {"reason": Cause.PARTITIONS_GONE, "since": utc_now(), "gone": 12, "proven": 12}
            session.add(Brake(collection=simple.collection, **seen))
        else:
            session.merge(Installation(id=1, restored_at=utc_now()))
    milvus = ListingStore(NAME)
    fulfil(simple, milvus)
    assert (request_of(simple).outcome, "drop" in milvus.calls) == ("refused", False)
    with pytest.raises(NotDroppable, match=r"a brake holds|the database was restored"):
        ask_drop(simple)


def test_drop_is_refused_when_the_database_was_restored_and_nobody_has_looked(
    simple: Product,
) -> None:
    """The request is as old as the backup: a tenant may have been made of the orphan since."""
    found(simple, NAME)
    ask_drop(simple)
    simple.write("UPDATE installation SET identity = 'file=another;cluster=another'")
    milvus = ListingStore(NAME)
    simple.reconciler(milvus).fulfil_requests(threading.Event())
    assert "drop" not in milvus.calls
    assert (request_of(simple).outcome, actions(simple)[-1]) == ("refused", "orphan.not_dropped")


def test_drop_is_refused_when_it_was_requested_before_an_acknowledged_restore(
    simple: Product,
) -> None:
    found(simple, NAME)
    ask_drop(simple)
    simple.write(
        update(Installation).values(restored_at=utc_now(), reason="", acknowledged_at=utc_now())
    )
    milvus = ListingStore(NAME)
    milvus.lies = True
    fulfil(simple, milvus)
    assert (request_of(simple).outcome, "drop" in milvus.calls) == ("refused", False)
    assert request_of(simple).message == "the database was restored since it was requested"
    ask_drop(simple)
    fulfil(simple, milvus)
    assert "drop" in milvus.calls


def test_drop_is_refused_when_the_alias_was_moved(simple: Product) -> None:
    found(simple, NAME)
    ask_drop(simple)
    simple.write("UPDATE observed_collection SET real_name = 'of before', collection_id = 7")
    milvus = ListingStore(NAME)
    fulfil(simple, milvus)
    request = request_of(simple)
    assert (request.outcome, "drop" in milvus.calls) == ("refused", False)
    assert request.message == "the alias stands for another collection now"


def test_reconciler_fulfils_requests_by_itself(simple: Product) -> None:
    found(simple, NAME)
    simple.services.orphans.count(simple.collection, NAME, actor=ACTOR)
    with simple.reconciling(ListingStore(NAME)):
        wait_until(lambda: request_of(simple).finished_at, 20, "the result")
    assert request_of(simple).outcome == "counted"


@pytest.mark.parametrize("state", [None, *PartitionState])
def test_drop_is_refused_when_a_tenant_has_the_number(
    simple: Product, state: PartitionState | None
) -> None:
    found(simple, NAME)
    ask_drop(simple)
    simple.write("DELETE FROM orphan_request")
    (number,) = simple.imported_tenants(1, first=40)
    simple.change(number, state=state, collection="an alias of the same")
    simple.write(
        "INSERT INTO orphan_request (collection, partition, action, asked_at, actor, via)"
        f" SELECT collection, partition, 'drop', '{utc_now()}', 'cli', 'cli' FROM partition_drift"
    )
    milvus = ListingStore(NAME)
    milvus.lies = True
    fulfil(simple, milvus)
    dropped = state == PartitionState.REMOVED
    assert ("drop" in milvus.calls) == dropped
    assert (request_of(simple).outcome == "refused") != dropped


def test_drop_is_refused_when_it_waited_for_too_long(simple: Product) -> None:
    found(simple, NAME)
    ask_drop(simple)
    simple.write(f"UPDATE orphan_request SET asked_at = '{utc_now() - ORPHAN_REQUEST_LASTS}'")
    milvus = ListingStore(NAME)
    fulfil(simple, milvus)
    assert (request_of(simple).outcome, "drop" in milvus.calls) == ("refused", False)


def test_number_is_refused_when_its_partition_is_being_dropped(product: Product) -> None:
    found(product, NAME)
    ask_drop(product)
    refusals: list[type[BaseException]] = []

    def attempt() -> None:
        for decide in (
            lambda: bring(product, 40),
            lambda: product.services.adoption.adopt(product.collection, NAME, "A", actor=ACTOR),
            lambda: product.services.orphans.acknowledge(product.collection, NAME, actor=ACTOR),
            lambda: product.services.orphans.count(product.collection, NAME, actor=ACTOR),
        ):
            try:
                decide()
            except DomainError as error:
                refusals.append(type(error))

    milvus = ListingStore(NAME)
    milvus.before_dropping, milvus.lies = attempt, True
    fulfil(product, milvus)
    assert refusals == [BeingDropped, OrphanBusy, OrphanBusy, OrphanBusy]
    assert request_of(product).outcome == "failed", "it is listed still"
    assert bring(product, 40) == 1


@pytest.mark.parametrize(
    ("fault", "outcome", "message"),
    [
        ({"dropping": SILENT}, "failed", "no connection"),
        ({"dropping": SILENT, "takes_effect": True}, "dropped", None),
        ({"lies": True}, "failed", "Milvus acknowledged the drop but lists it still"),
        ({"counting": SILENT}, "failed", "no connection"),
    ],
)
def test_list_is_the_proof_when_a_call_fails(
    whole: Product, fault: dict[str, Any], outcome: str, message: str | None
) -> None:
    lay(whole, NAME, rows=3)
    ask_drop(whole)
    fulfil(whole, FaultyStore(whole.store, **fault))
    request = request_of(whole)
    assert (request.outcome, request.message) == (outcome, message)
    assert (NAME in whole.listed()) == (outcome == "failed") == (NAME in report(whole))


def test_count_survives_when_a_process_dies_in_its_drop(whole: Product) -> None:
    class Killed(BaseException):
        pass

    lay(whole, NAME, rows=3)
    ask_drop(whole)
    with pytest.raises(Killed):
        fulfil(whole, FaultyStore(whole.store, dropping=Killed(), takes_effect=True))
    assert request_of(whole).rows == 3
    assert fulfil(whole) == 0, "its lease lasts"
    long_ago = utc_now() - timedelta(hours=1)
    whole.write(f"UPDATE orphan_request SET lease_until = '{long_ago}'")
    assert fulfil(whole) == 1
    assert (request_of(whole).outcome, request_of(whole).rows) == ("dropped", 3)


def test_nothing_is_dropped_or_recorded_when_the_claim_was_lost(product: Product) -> None:
    found(product, NAME)
    ask_drop(product)
    claims = OrphanClaims(product.database, product.services.policy)
    frozen = claims.claim()
    assert frozen is not None and claims.claim() is None
    product.write(f"UPDATE orphan_request SET lease_until = '{utc_now() - timedelta(hours=1)}'")
    assert fulfil(product, ListingStore()) == 1
    assert claims.begin(frozen, 0, product.collection) is None
    claims.record_end(frozen, OrphanOutcome.DROPPED)
    assert request_of(product).outcome == "absent"


def test_request_about_nothing_known_is_refused(product: Product) -> None:
    tenant = product.create_ready()
    found(product)
    orphans: Orphans = product.services.orphans
    for name in (f"tenant_{tenant.id}", "_default", "tenant_99", "x\x00"):
        with pytest.raises(OrphanNotFound):
            orphans.drop(product.collection, name, name, actor=ACTOR)
    assert report(product) == {}
    assert product.audited()[-1].action == "tenant.create"
