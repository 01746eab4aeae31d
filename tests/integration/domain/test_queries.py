"""What pages and API read: pages of tenants, counts, families, headroom."""

import pytest

from jobs.drift.observations import Observation, record_observation
from tests.factories import ACTOR, Product, statements
from webapp.errors import InvalidField
from webapp.models.causes import Cause
from webapp.models.states import PartitionState, TenantState
from webapp.partitions import failures, summary
from webapp.tenants import queries
from webapp.tenants.queries import TenantFilter


def names_of(product: Product, **wanted: object) -> list[str]:
    with product.database.reading() as session:
        page = queries.list_tenants(session, TenantFilter(**wanted), 100)
        return [tenant.name for tenant in page.items]


def test_every_tenant_is_seen_once_when_pages_are_followed(product: Product) -> None:
    names = [product.create(f"T{n}").name for n in range(7)]
    seen: list[str] = []
    cursor = None
    with product.database.reading() as session:
        while True:
            page = queries.list_tenants(session, TenantFilter(), 3, cursor)
            seen += [tenant.name for tenant in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert seen == names


@pytest.mark.parametrize("cursor", ["x", "-1", "1.0", "", "9" * 30, "٣"])
def test_cursor_is_refused_when_nobody_gave_it_out(simple: Product, cursor: str) -> None:
    with simple.database.reading() as session:
        with pytest.raises(InvalidField):
            queries.list_tenants(session, TenantFilter(), 3, cursor)
        with pytest.raises(InvalidField):
            queries.list_events(session, 1, 3, cursor)


def test_tenants_are_found_by_state_cause_and_text(product: Product) -> None:
    product.create("Waiting 100%")
    failed = product.create("Failed")
    gone = product.create("Gone")
    product.imported_tenants(1, first=50)
    product.fail(failed, Cause.AUTH)
    product.services.tenants.delete(gone.id, actor=ACTOR)
    assert names_of(product) == ["Waiting 100%", "Failed", "Before 50"]
    assert names_of(product, state=PartitionState.FAILED) == ["Failed"]
    assert names_of(product, state=PartitionState.REMOVING) == ["Gone"]
    assert names_of(product, state=TenantState.DELETED) == ["Gone"]
    assert names_of(product, cause=Cause.AUTH) == ["Failed"]
    assert names_of(product, q="FAIL") == ["Failed"]
    assert names_of(product, q="00%") == ["Waiting 100%"]
    assert names_of(product, q="tenant_50") == names_of(product, q="#50") == ["Before 50"]


@pytest.mark.parametrize("text", ["9" * 5000, "a\x00b", "\ud800", "%", "_", "'; --", "\\"])
def test_nobody_is_found_when_the_text_is_hostile(product: Product, text: str) -> None:
    product.create("Acme")
    assert names_of(product, q=text) == []


def test_states_causes_and_missing_requests_are_counted(product: Product) -> None:
    product.create("Waiting")
    for n in range(2):
        product.fail(product.create(f"F{n}"), Cause.CAPACITY)
    product.make_ready(product.create("Ready"))
    product.services.tenants.delete(product.create("Gone").id, actor=ACTOR)
    product.imported_tenants(3, first=50)
    with product.database.reading() as session:
        counted = summary.summary(session, product.settings)
    assert counted.tenants == 7
    assert counted.states == {
        "pending": 1,
        "provisioning": 0,
        "ready": 1,
        "failed": 2,
        "removing": 1,
        "removed": 0,
    }
    assert (counted.causes, counted.not_requested) == ({"capacity": 2}, 3)


def test_headroom_is_unknown_when_nobody_has_looked(product: Product) -> None:
    in_use = product.settings.milvus_collection
    with product.database.reading() as session:
        (room,) = summary.headroom(session, product.settings)
    assert (room.collection, room.used, room.left, room.limit) == (in_use, None, None, 1024)
    record_observation(product.database, Observation(in_use, 4, partitions=1000))
    record_observation(
        product.database, Observation("another", 4, cause=Cause.TIMEOUT, error="slow")
    )
    with product.database.reading() as session:
        first, second = summary.headroom(session, product.settings)
    assert (first.used, first.left) == (1000, 24)
    assert (second.collection, second.left, second.cause) == ("another", None, "timeout")


def test_largest_family_comes_first_when_failures_are_grouped(product: Product) -> None:
    for n in range(3):
        product.fail(product.create(f"A{n}"), Cause.CAPACITY)
    product.fail(product.create("B"), Cause.AUTH)
    with product.database.reading() as session:
        first, second = failures.families(session)
    assert (first.cause, first.tenants, first.example_tenant_id) == ("capacity", 3, 3)
    assert first.example_error == "as the test has it"
    assert first.first_seen <= first.last_seen
    assert (second.cause, second.tenants) == ("auth", 1)


def test_number_of_queries_does_not_grow_with_the_tenants(product: Product) -> None:
    def cost() -> int:
        reading = product.database.reading
        with statements(product.engine) as seen, reading() as session:
            queries.list_tenants(session, TenantFilter(), 50)
            summary.summary(session, product.settings)
            failures.families(session)
            queries.list_events(session, 1, 50)
        return len([line for line in seen if line.startswith("SELECT")])

    product.create("First")
    few = cost()
    for n in range(20):
        product.create(f"T{n}")
    assert cost() == few <= 7
