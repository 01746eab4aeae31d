"""Operations survive what happens to processes: each tenant is taken once, and none is lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

import pytest
from sqlalchemy import event, select

from tests.factories import ACTOR, Product, all_at_once
from tests.integration.domain.operations import (
    DELETE,
    REQUEST,
    RESTORE,
    RETRY,
    TIMEOUTS,
    crowd,
    deleted,
    drive,
    failing,
    in_threes,
    living,
    view,
)
from webapp.models.operation import OperationKind
from webapp.models.partition import PartitionEvent
from webapp.operations.selection import Selection
from webapp.partitions import events


class Died(Exception):
    """What a process would not live to see."""


@contextmanager
def dying(product: Product, at_statement: int) -> Iterator[None]:
    """The process dies right before it would send this statement of all that follow."""
    sent = count(1)

    def die(*_: object) -> None:
        if next(sent) == at_statement:
            raise Died

    with listening(product, "before_cursor_execute", die):
        yield


@contextmanager
def listening(product: Product, name: str, hear: Callable[..., None]) -> Iterator[None]:
    event.listen(product.engine, name, hear)
    try:
        yield
    finally:
        event.remove(product.engine, name, hear)


@pytest.mark.parametrize("kind", [RETRY, DELETE, RESTORE, REQUEST])
def test_nobody_is_lost_or_taken_twice_when_the_process_dies_at_any_statement(
    product: Product, kind: OperationKind
) -> None:
    numbers = PREPARED[kind](product, 7)
    operations = in_threes(product)
    asked = operations.ask(kind, Selection(tenant_ids=tuple(numbers)), actor=ACTOR)
    deaths = 0
    for statement in range(1, 400):
        with dying(product, statement):
            try:
                while operations.advance(asked.id):
                    pass
            except Died:
                deaths += 1
                continue
        break
    assert deaths > 5
    assert view(product, asked.id).progress.accepted == 7
    for number in numbers:
        assert product.event_names(number).count(TOLD[kind]) == 1


PREPARED: dict[OperationKind, Callable[[Product, int], list[int]]] = {
    RETRY: failing,
    DELETE: living,
    RESTORE: deleted,
    REQUEST: Product.imported_tenants,
}
TOLD = {RETRY: "retried", DELETE: "removing", RESTORE: "restored", REQUEST: "requested"}


@contextmanager
def meeting(product: Product) -> Iterator[None]:
    """Two who read an operation go on at one moment; one who stays alone, after a while."""
    both = threading.Barrier(2)

    def wait(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM operation" not in statement or "operation.selection" not in statement:
            return
        try:
            both.wait(0.3)
        except threading.BrokenBarrierError:
            both.reset()

    with listening(product, "after_cursor_execute", wait):
        yield


def test_each_is_taken_and_counted_once_when_two_loops_read_it_at_once(product: Product) -> None:
    numbers = failing(product, 9)
    loops = [in_threes(product) for _ in range(2)]
    asked = loops[0].ask(RETRY, TIMEOUTS, actor=ACTOR)
    with meeting(product):
        assert all_at_once([partial(drive, loop) for loop in loops]) == [None] * 2
    progress = view(product, asked.id).progress
    assert (progress.accepted, progress.skipped) == (9, {})
    assert all(product.event_names(number).count("retried") == 1 for number in numbers)


def test_the_requests_stand_when_redis_does_not_answer(simple: Product) -> None:
    numbers = failing(simple, 4)
    asked = simple.without_redis().services.operations.ask(RETRY, TIMEOUTS, actor=ACTOR)
    assert view(simple, asked.id).progress.waiting == 4
    for number in numbers:
        simple.age(number, "dispatch_after", 60)
    assert simple.services.dispatcher.dispatch_due() == 4


def test_many_are_dispatched_once_each_when_all_that_failed_are_retried(product: Product) -> None:
    numbers = crowd(product, 250)
    asked = product.services.operations.ask(RETRY, TIMEOUTS, actor=ACTOR)
    drive(product.services.operations)
    progress = view(product, asked.id).progress
    assert (progress.accepted, progress.waiting, progress.skipped) == (250, 250, {})
    jobs = product.services.job_queue.backfill_queue.get_jobs()
    assert len(jobs) <= 4
    dispatched = [dispatch for job in jobs for dispatch in job.args[0]]
    assert sorted(dispatched) == [[number, 2] for number in numbers]
    retried = select(PartitionEvent.tenant_id).where(PartitionEvent.event == events.RETRIED)
    assert sorted(product.select(retried)) == numbers
