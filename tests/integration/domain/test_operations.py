"""Operations on many tenants: planned, taken batch by batch, settled; on both databases."""

import json

import pytest

from tests.factories import ACTOR, Product
from tests.integration.domain.operations import (
    DELETE,
    REQUEST,
    RESTORE,
    RETRY,
    TIMEOUTS,
    drive,
    failing,
    generations,
    in_threes,
    living,
    tenant_of,
    view,
)
from webapp.errors import CountChanged
from webapp.models.causes import Cause
from webapp.models.operation import OperationState
from webapp.operations.progress import last_retries, recent
from webapp.operations.selection import Selection


def test_nothing_changes_when_an_operation_is_only_planned(simple: Product) -> None:
    numbers = failing(simple, 3)
    ready = simple.create_ready("Ready")
    chosen = Selection(tenant_ids=(*numbers, ready.id, 999))
    planned = simple.services.operations.plan(RETRY, chosen)
    assert (planned.total, planned.accepted) == (5, 3)
    assert planned.skipped == {"ready": 1, "unknown": 1}
    assert planned.causes == {Cause.TIMEOUT: 3}
    assert generations(simple, numbers) == {1}


def test_a_plan_says_that_a_retry_is_hopeless_when_it_cures_nothing(simple: Product) -> None:
    failing(simple, 2, Cause.FOREIGN_DATA)
    operations = simple.services.operations
    assert operations.plan(RETRY, Selection.of_failed()).is_hopeless
    failing(simple, 1)
    mixed = operations.plan(RETRY, Selection.of_failed())
    assert not mixed.is_hopeless
    assert mixed.hopeless == {Cause.FOREIGN_DATA: 2}


def test_each_is_retried_once_when_the_loop_takes_many_batches(product: Product) -> None:
    numbers, others = failing(product, 8), failing(product, 1, Cause.AUTH)
    operations = in_threes(product)
    asked = operations.ask(RETRY, TIMEOUTS, actor=ACTOR)
    assert view(product, asked.id).progress.accepted == 3
    drive(operations)
    found = view(product, asked.id)
    assert found.operation.state == OperationState.FINISHED
    assert (found.progress.accepted, found.progress.waiting) == (8, 8)
    again = view(product, operations.ask(RETRY, TIMEOUTS, actor=ACTOR).id)
    assert (again.is_over, again.progress.accepted) == (True, 0)
    assert (generations(product, numbers), generations(product, others)) == ({2}, {1})
    assert all(product.event_names(number).count("retried") == 1 for number in numbers)


def test_the_result_is_kept_when_none_is_on_its_way_any_more(simple: Product) -> None:
    one, other, third = failing(simple, 3)
    operations = simple.services.operations
    asked = operations.ask(RETRY, Selection(tenant_ids=(one, other, third, 99)), actor=ACTOR)
    simple.make_ready(one)
    simple.fail(other, Cause.CAPACITY)
    drive(operations)
    assert view(simple, asked.id).operation.state == OperationState.FINISHED
    simple.make_ready(third)
    drive(operations)
    settled = view(simple, asked.id)
    assert settled.is_over
    simple.services.tenants.retry(other, actor=ACTOR)
    simple.make_ready(other)
    progress = view(simple, asked.id).progress
    assert (progress.ready, progress.failed, progress.skipped) == (2, 1, {"unknown": 1})
    assert (progress.planned, progress.finished) == (3, 3)


def test_one_audit_entry_tells_who_asked_for_what_when_many_are_retried(simple: Product) -> None:
    failing(simple, 4)
    asked = simple.services.operations.ask(RETRY, TIMEOUTS, actor=ACTOR)
    (entry,) = simple.audited("operation.retry")
    assert (entry.actor, entry.via) == (ACTOR.name, ACTOR.via)
    assert entry.target == f"operation {asked.id}"
    assert json.loads(entry.after or "")["tenants"] == 4


def test_those_who_changed_meanwhile_are_left_alone(simple: Product) -> None:
    numbers = failing(simple, 3)
    later = [simple.create(f"Later {n}").id for n in range(2)]
    numbers += failing(simple, 3)
    operations = in_threes(simple)
    asked = operations.ask(RETRY, TIMEOUTS, actor=ACTOR)
    for number in later:
        simple.fail(number, Cause.TIMEOUT)
    for number in numbers[4:]:
        simple.services.tenants.retry(number, actor=ACTOR)
        simple.make_ready(number)
    drive(operations)
    assert (generations(simple, numbers), generations(simple, later)) == ({2}, {1})
    progress = view(simple, asked.id).progress
    assert (progress.accepted, progress.skipped) == (4, {"changed": 2})
    assert progress.planned == 4


def test_imported_tenants_get_their_first_request_when_it_is_requested(simple: Product) -> None:
    numbers = simple.imported_tenants(4)
    living = simple.create("Signed up", actor=ACTOR)
    operations = simple.services.operations
    assert operations.plan(REQUEST, Selection(not_requested=True)).accepted == 4
    asked = operations.ask(REQUEST, Selection(tenant_ids=(*numbers, living.id)), actor=ACTOR)
    assert generations(simple, numbers) == {1}
    assert simple.event_names(numbers[0])[0] == "requested"
    progress = view(simple, asked.id).progress
    assert (progress.accepted, progress.skipped) == (4, {"pending": 1})


def test_many_leave_and_come_back_when_they_are_deleted_and_restored(product: Product) -> None:
    numbers = living(product, 5)
    operations = product.services.operations
    asked = operations.ask(DELETE, Selection(tenant_ids=tuple(numbers)), actor=ACTOR, expected=5)
    assert view(product, asked.id).progress.removing == 5
    assert product.departure(numbers[0]).requested_by == ACTOR.name
    taken = product.create("Living 0").id
    back = operations.ask(
        RESTORE, Selection(state=product.row(numbers[0]).state, operation_id=asked.id), actor=ACTOR
    )
    assert view(product, back.id).progress.accepted == 5
    tenants = [tenant_of(product, number) for number in (*numbers, taken)]
    assert all(tenant.deleted_at is None for tenant in tenants)
    assert len({tenant.slug for tenant in tenants}) == 6
    assert product.row(numbers[0]).state == "pending"
    assert not tenant_of(product, numbers[-1]).partition.is_requested


def test_nobody_is_deleted_when_the_number_is_not_the_one_that_was_said(simple: Product) -> None:
    numbers = living(simple, 3)
    chosen = Selection(tenant_ids=tuple(numbers))
    with pytest.raises(CountChanged):
        simple.services.operations.ask(DELETE, chosen, actor=ACTOR, expected=2)
    assert all(tenant_of(simple, number).deleted_at is None for number in numbers)


def test_a_family_knows_its_last_retry_when_all_of_its_cause_were_retried(simple: Product) -> None:
    operations = simple.services.operations
    for cause in (Cause.TIMEOUT, Cause.AUTH, Cause.TIMEOUT):
        failing(simple, 2, cause)
        last = operations.ask(RETRY, Selection.of_failed(cause), actor=ACTOR)
    operations.ask(RETRY, Selection.of_failed(), actor=ACTOR)
    known = simple.read(last_retries, [Cause.TIMEOUT, Cause.CAPACITY])
    newest = simple.read(recent, 2)
    rest = simple.read(recent, 2, int(newest.next_cursor or 0))
    assert set(known) == {Cause.TIMEOUT}
    assert known[Cause.TIMEOUT].operation.id == last.id
    assert [len(newest.items), len(rest.items), rest.next_cursor] == [2, 2, None]
