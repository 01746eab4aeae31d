"""The circuit breaker: who may call Milvus, and what each attempt's end does to the others."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from jobs.milvus.store import StoreError
from jobs.provisioning import create_partitions
from jobs.provisioning.circuit_breaker import CircuitOpen, Entry
from tests.access import statements
from tests.factories import FaultyStore, Product, all_at_once, no_script
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Circuit

UNREACHABLE = StoreError(Cause.MILVUS_UNREACHABLE, "nobody listens")
TIMEOUT = StoreError(Cause.TIMEOUT, "no answer within 5 s")


def no_answer(product: Product, tenant_id: int | None = None, *, answered: bool = False) -> None:
    circuit = product.circuit
    circuit.failed(
        circuit.enter(), Cause.TIMEOUT, "no answer", tenant_id=tenant_id, answered_before=answered
    )


def open_circuit(product: Product) -> None:
    for tenant_id in (1, 2, 3):
        no_answer(product, tenant_id)
    assert product.circuit_state().is_open


def let_a_probe_be_due(product: Product) -> None:
    product.write(update(Circuit).values(probe_at=utc_now() - timedelta(seconds=1)))


def test_attempts_are_refused_when_three_in_a_row_got_no_answer(product: Product) -> None:
    open_circuit(product)
    with pytest.raises(CircuitOpen, match=r"not answered since .*Z \(no answer\)") as caught:
        product.circuit.enter()
    state = product.circuit_state()
    assert (caught.value.cause, state.cause, state.message) == ("timeout", "timeout", "no answer")


def test_circuit_stays_closed_when_other_tenants_are_answered(simple: Product) -> None:
    circuit = simple.circuit
    for tenant_id in range(6):
        if tenant_id % 2 == 0:
            circuit.answered(circuit.enter())
        no_answer(simple, tenant_id)
    circuit.answered(circuit.enter())
    for _ in range(5):
        no_answer(simple, 7, answered=True)
    assert not simple.circuit_state().is_open


def test_circuit_opens_once_when_ten_workers_fail_at_one_moment(product: Product) -> None:
    entry = product.circuit.enter()
    fail = product.circuit.failed
    works = [
        lambda number=number: fail(entry, Cause.TIMEOUT, "no answer", tenant_id=number)
        for number in range(10)
    ]
    assert all_at_once(works) == [None] * 10
    (row,) = product.select(select(Circuit))
    assert row.failures == 10
    assert row.opened_at is not None


def test_one_probe_is_let_in_when_ten_ask_at_one_moment(product: Product) -> None:
    open_circuit(product)
    let_a_probe_be_due(product)
    asked = all_at_once([product.circuit.enter] * 10)
    assert [entry.is_probe for entry in asked if isinstance(entry, Entry)] == [True]
    assert sum(isinstance(entry, CircuitOpen) for entry in asked) == 9


def test_probes_follow_each_other_until_one_is_answered(simple: Product) -> None:
    circuit = simple.circuit
    open_circuit(simple)
    let_a_probe_be_due(simple)
    died = circuit.enter()
    (due_at,) = simple.select(select(Circuit.probe_at))
    assert (died.is_probe, died.probing_until) == (True, due_at)
    let_a_probe_be_due(simple)  # as after the lease
    given_up = circuit.enter()
    assert given_up.is_probe
    circuit.give_up(given_up)
    no_answer(simple, 9)
    with pytest.raises(CircuitOpen):
        circuit.enter()
    let_a_probe_be_due(simple)
    circuit.answered(circuit.enter())
    assert not circuit.enter().is_probe


def test_old_failures_are_not_counted_when_milvus_has_answered_since(simple: Product) -> None:
    circuit = simple.circuit
    stale = [circuit.enter() for _ in range(3)]
    open_circuit(simple)
    circuit.close()
    for number, entry in enumerate(stale):
        circuit.failed(entry, Cause.TIMEOUT, "no answer", tenant_id=number)
    assert not simple.circuit_state().is_open


def test_attempt_costs_one_read_when_the_circuit_is_closed(simple: Product) -> None:
    circuit = simple.circuit
    with statements(simple.engine) as seen:
        circuit.answered(circuit.enter())
    assert [statement.split()[0] for statement in seen if "circuit" in statement] == ["SELECT"]


def test_attempts_fail_without_a_call_when_the_circuit_is_open(simple: Product) -> None:
    tenants = [simple.create(f"Tenant {number}") for number in range(6)]
    store = FaultyStore(listing=UNREACHABLE)
    simple.work(store, no_script)
    called = len(store.calls)
    assert called == 3 * 2, "three attempts ask before and after; the others do not ask"
    for tenant in tenants[3:]:
        row = simple.row(tenant)
        assert (row.state, row.cause, row.attempts) == ("pending", "milvus_unreachable", 1)
        assert "not answered since" in str(row.error)
        told = simple.event_names(tenant)
        assert told.count("create_failed") == 1
        assert "fallback" not in told


def test_chunk_hands_back_without_a_call_when_the_circuit_is_open(simple: Product) -> None:
    open_circuit(simple)
    tenant = simple.create()
    store = FaultyStore(listing=UNREACHABLE)
    with simple.as_worker(store):
        create_partitions([[tenant.id, 1]])
    assert (store.calls, simple.row(tenant).attempts) == ([], 0)
    assert "handed_back" in simple.event_names(tenant)


def test_sweep_closes_the_circuit_when_a_listing_is_answered(whole: Product) -> None:
    for number in range(4):
        whole.change(whole.create(f"Tenant {number}"), max_attempts=1)
    whole.work(FaultyStore(listing=UNREACHABLE), no_script)
    assert whole.states() == ["failed"] * 4
    whole.reconciler(whole.store).sweep()
    assert not whole.circuit_state().is_open
    whole.work()
    assert whole.states() == ["ready"] * 4


def test_others_are_made_when_one_tenants_creation_always_hangs(whole: Product) -> None:
    poisoned = whole.create("Poison")
    store = FaultyStore(whole.store, creating=TIMEOUT, only_for=whole.row(poisoned).name)
    for _ in range(3):
        whole.work(store, no_script)
        whole.change(poisoned, next_attempt_at=None, dispatch_after=utc_now())
        whole.services.dispatcher.dispatch_due()
    others = [whole.create(f"Tenant {number}") for number in range(5)]
    whole.work(store, no_script)
    assert [whole.row(tenant).state for tenant in others] == ["ready"] * 5
