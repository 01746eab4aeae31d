"""What pages and API read: pages of tenants, counts, families, headroom."""

import pytest

from jobs.drift.observations import Observation, record_observation
from tests.access import statements
from tests.factories import ACTOR, Product
from webapp.errors import InvalidField
from webapp.models.causes import Cause
from webapp.models.states import PartitionState, TenantState
from webapp.partitions import failures, summary
from webapp.tenants import queries
from webapp.tenants.queries import TenantFilter


def names_of(product: Product, **wanted: object) -> list[str]:
    page = product.read(queries.list_tenants, TenantFilter(**wanted), 100)
    return [tenant.name for tenant in page.items]


def test_every_tenant_is_seen_once_when_pages_are_followed(simple: Product) -> None:
    names = [simple.create(f"T{n}").name for n in range(7)]
    seen, cursor = [], None
    for left in (True, True, False):
        page = simple.read(queries.list_tenants, TenantFilter(), 3, cursor)
        seen += [tenant.name for tenant in page.items]
        cursor = page.next_cursor
        assert bool(cursor) == left
    assert seen == names


def test_cursor_is_refused_when_it_was_never_given_out(simple: Product) -> None:
    for cursor in ("x", "-1", "1.0", "", "9" * 30, "٣"):
        with pytest.raises(InvalidField):
            simple.read(queries.list_tenants, TenantFilter(), 3, cursor)
        with pytest.raises(InvalidField):
            simple.read(queries.list_events, 1, 3, cursor)


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


def test_nobody_is_found_when_the_text_is_hostile(product: Product) -> None:
    product.create("Acme")
    for text in ("9" * 5000, "a\x00b", "\ud800", "%", "_", "'; --", "\\"):
        assert names_of(product, q=text) == []


def test_states_causes_and_missing_requests_are_counted(product: Product) -> None:
    product.create("Waiting")
    for n in range(2):
        product.fail(product.create(f"F{n}"), Cause.CAPACITY)
    product.make_ready(product.create("Ready"))
    product.services.tenants.delete(product.create("Gone").id, actor=ACTOR)
    product.imported_tenants(3, first=50)
    counted = product.read(summary.summary, product.settings)
    assert counted.tenants == 7
    states = {"pending": 1, "ready": 1, "missing": 0, "failed": 2, "removing": 1}
    assert counted.states == {"provisioning": 0, "removed": 0} | states
    assert (counted.causes, counted.not_requested) == ({"capacity": 2}, 3)


def test_headroom_is_unknown_when_nobody_has_looked(simple: Product) -> None:
    (room,) = simple.read(summary.headroom, simple.settings)
    in_use = (room.collection, room.used, room.left, room.limit)
    assert in_use == (simple.collection, None, None, 1024)
    record_observation(simple.database, Observation(simple.collection, 4, partitions=1000))
    record_observation(
        simple.database, Observation("another", 4, cause=Cause.TIMEOUT, error="slow")
    )
    first, second = simple.read(summary.headroom, simple.settings)
    assert (first.used, first.left) == (1000, 24)
    assert (second.collection, second.left, second.cause) == ("another", None, "timeout")


def test_largest_family_comes_first_when_failures_are_grouped(product: Product) -> None:
    for n in range(3):
        product.fail(product.create(f"A{n}"), Cause.CAPACITY)
    product.fail(product.create("B"), Cause.AUTH)
    first, second = product.read(failures.families)
    assert (first.cause, first.tenants, first.example_tenant_id) == ("capacity", 3, 3)
    assert first.example_error == "as the test has it"
    assert first.waiting_since <= first.last_failed_at
    assert (second.cause, second.tenants) == ("auth", 1)


def test_number_of_queries_does_not_grow_with_the_tenants(simple: Product) -> None:
    def cost() -> int:
        with statements(simple.engine) as seen, simple.database.reading() as session:
            queries.list_tenants(session, TenantFilter(), 50)
            summary.summary(session, simple.settings)
            failures.families(session)
            queries.list_events(session, 1, 50)
        return len([line for line in seen if line.startswith("SELECT")])

    simple.create("First")
    few = cost()
    for n in range(20):
        simple.create(f"T{n}")
    assert cost() == few <= 7
