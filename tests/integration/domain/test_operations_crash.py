"""Operations survive what happens to processes: each tenant is taken once, and none is lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
    jobs,
    living,
    view,
)
from webapp.tenants.models import PartitionEvent
from webapp.tenants.operations.models import OperationKind
from webapp.tenants.operations.selection import Selection


class Died(Exception):
    """What a process would not live to see."""


@contextmanager
def dying(product: Product, at_statement: int) -> Iterator[None]:
    """The process dies right before it would send this statement of all that follow."""
    sent = 0

    def count(*_: object) -> None:
        nonlocal sent
        sent += 1
        if sent == at_statement:
            raise Died

    event.listen(product.engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(product.engine, "before_cursor_execute", count)


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
        assert product.told(number).count(TOLD[kind]) == 1


PREPARED: dict[OperationKind, Callable[[Product, int], list[int]]] = {
    RETRY: failing,
    DELETE: living,
    RESTORE: deleted,
    REQUEST: Product.tenants_of_before,
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

    event.listen(product.engine, "after_cursor_execute", wait)
    try:
        yield
    finally:
        event.remove(product.engine, "after_cursor_execute", wait)


def test_each_is_taken_and_counted_once_when_two_lanes_read_it_at_once(
    product: Product,
) -> None:
    numbers = failing(product, 9)
    lanes = [in_threes(product) for _ in range(2)]
    asked = lanes[0].ask(RETRY, TIMEOUTS, actor=ACTOR)
    with meeting(product):
        done = all_at_once([lambda lane=lane: drive(lane) for lane in lanes])  # type: ignore[misc]
    assert done == [None] * 2
    progress = view(product, asked.id).progress
    assert (progress.accepted, progress.skipped) == (9, {})
    assert all(product.told(number).count("retried") == 1 for number in numbers)


def test_the_wishes_stand_when_redis_does_not_answer(simple: Product) -> None:
    numbers = failing(simple, 4)
    cut_off = simple.configured(redis_url="unix:///nowhere/redis.sock")
    asked = cut_off.domain.operations.ask(RETRY, TIMEOUTS, actor=ACTOR)
    assert view(simple, asked.id).progress.waiting == 4
    for number in numbers:
        simple.age(number, "ring_at", 60)
    assert simple.domain.ringing.ring_due() == 4


def test_many_are_rung_once_each_when_all_that_failed_are_retried(
    product: Product,
) -> None:
    numbers = crowd(product, 450)
    asked = product.domain.operations.ask(RETRY, TIMEOUTS, actor=ACTOR)
    drive(product.domain.operations)
    progress = view(product, asked.id).progress
    assert (progress.accepted, progress.waiting, progress.skipped) == (450, 450, {})
    rung = [ring for job in jobs(product) for ring in job.args[0]]
    assert sorted(rung) == [[number, 2] for number in numbers]
    with product.engine.connect() as connection:
        told = connection.scalars(
            select(PartitionEvent.tenant_id).where(
                PartitionEvent.event == "milvus.partition.retried"
            )
        ).all()
    assert sorted(told) == numbers
