"""Numbers are never given twice, also after the database was restored from a backup."""

import threading

import pytest
from sqlalchemy import text

from jobs.context import Worker
from jobs.milvus.store import StoreError
from jobs.reconciler.numbering import lift_at_start
from tests.factories import FaultyStore, Product, all_at_once, audit_open
from webapp.models.causes import Cause
from webapp.models.naming import number_in
from webapp.numbers.counter import REACH, lift, lift_above
from webapp.partitions.drift import known_drift


def lifted(product: Product, *numbers: int) -> int | None:
    return lift_above(product.services.database, [f"tenant_{number}" for number in numbers])


def roll_back(product: Product, highest: int, *, counter_too: bool = True) -> None:
    """What a restored backup looks like: later rows are gone, and the counter is as it was."""
    with product.engine.execution_options(writes=True).begin() as connection:
        with audit_open(connection):
            for table in ("audit_entry", "partition_event", "partition"):
                connection.execute(text(f"DELETE FROM {table} WHERE tenant_id > {highest}"))
            connection.execute(text(f"DELETE FROM tenant WHERE id > {highest}"))
        if not counter_too:
            return
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT setval('tenant_id_seq', {highest})"))
        else:
            connection.execute(text(f"UPDATE sqlite_sequence SET seq = {highest}"))


@pytest.mark.parametrize("before_the_web_serves", [True, False])
def test_no_number_is_given_twice_when_the_database_was_restored(
    placed: Product, before_the_web_serves: bool
) -> None:
    numbers = placed.imported_tenants(20)
    placed.backfill(numbers)
    placed.work()
    roll_back(placed, 10)
    if before_the_web_serves:
        with placed.as_worker(placed.store) as worker:
            assert lift_at_start(worker) is None
    else:
        placed.sweep()
    assert [placed.create(f"New {n}").id for n in range(3)] == [21, 22, 23]
    placed.sweep()
    orphans = placed.read(known_drift, placed.services.policy).orphan
    assert [number_in(each.partition) for each in orphans] == numbers[10:]
    assert {each.tenant_id for each in orphans} == {None}


def test_nothing_is_lifted_when_the_counter_stands_high_enough(product: Product) -> None:
    tenants = [product.create(f"T{n}") for n in range(5)]
    assert lifted(product, 5, 2) is None
    roll_back(product, tenants[1].id, counter_too=False)
    assert lifted(product, 4) is None
    assert product.create().id == 6


def test_numbers_lie_above_the_rows_when_these_were_copied_in(product: Product) -> None:
    product.imported_tenants(1, first=500)
    lifted(product)
    assert product.create().id == 501


def test_one_far_above_lifts_nothing_and_is_reported(product: Product) -> None:
    own = product.create().id
    assert lifted(product, own + REACH + 1, 3, 30) == 30
    assert lifted(product, own + REACH) == own + REACH
    assert product.create().id == own + REACH + 1


def test_names_of_other_forms_lift_nothing(simple: Product) -> None:
    names = ["_default", "tenant_", "tenant_007", "tenant_-9", "tenant_9x", "tenant_٩", "x_9"]
    assert lift_above(simple.database, [*names, "tenant_" + "9" * 240]) is None
    assert simple.create().id == 1
    assert (lifted(simple, 3, 17), simple.create().id) == (17, 18)


def test_no_number_below_is_given_out_when_sign_ups_go_on_meanwhile(product: Product) -> None:
    """Whoever begins after the counter was lifted is above it; nobody meets a taken number."""
    done = threading.Event()
    database = product.database

    def sign_up() -> list[tuple[bool, int]]:
        return [(done.is_set(), product.create(f"T{n}").id) for n in range(8)]

    def lift_once() -> list[tuple[bool, int]]:
        with database.transaction() as session:
            lift(session, 1000)
        done.set()
        return []

    made = [each for some in all_at_once([sign_up, sign_up, lift_once]) for each in some]
    assert len({number for _, number in made}) == 16
    assert all(number > 1000 for was_lifted, number in made if was_lifted)
    assert product.create("Last").id > 1000


@pytest.mark.parametrize(
    "cause", [Cause.TIMEOUT, Cause.COLLECTION_MISSING], ids=["no answer", "no collection yet"]
)
def test_the_start_goes_on_when_nothing_is_listed(simple: Product, cause: Cause) -> None:
    milvus = FaultyStore(listing=StoreError(cause, "no answer within 5 s"))
    with simple.as_worker(milvus) as worker:
        assert lift_at_start(worker) is None
    assert simple.create().id == 1
    assert milvus.calls == ["list"]


def test_an_embedded_milvus_is_awaited_when_it_starts_at_the_same_time(simple: Product) -> None:
    starting = FaultyStore(listing=StoreError(Cause.MILVUS_UNREACHABLE, "refused"))
    settings = simple.settings.model_copy(update={"milvus_uri": None, "milvus_timeout": 0.5})
    assert settings.milvus_is_embedded
    with simple.as_worker(starting) as worker:
        own = Worker(settings, worker.services)
        own.__dict__["store"] = starting
        assert lift_at_start(own) is None
    assert len(starting.calls) > 2
