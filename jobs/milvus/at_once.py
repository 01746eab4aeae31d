"""Calls about many partitions at once, which end when Milvus stops to answer."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from jobs.milvus.store import StoreError
from webapp.models.causes import NO_ANSWER
from webapp.models.partition import Partition

# Milvus creates no more partitions a second with 16 callers than with 8: its CPU is the limit.
CALLERS = 8

T = TypeVar("T")


@dataclass
class Answers(Generic[T]):
    """The store's answer or error for each row; a skipped one has neither."""

    values: dict[Partition, T] = field(default_factory=dict)
    errors: dict[int, StoreError] = field(default_factory=dict)


def ask_each(
    rows: Sequence[Partition], ask: Callable[[Partition], T], must_end: Callable[[], bool]
) -> Answers[T]:
    """Ask about several rows at once, until `must_end`.

    After a call without an answer no other begins: each would cost a time-out.
    """
    answers = Answers[T]()
    no_answer = threading.Event()

    def work(row: Partition) -> None:
        if no_answer.is_set() or must_end():
            return
        try:
            answers.values[row] = ask(row)
        except StoreError as error:
            answers.errors[row.tenant_id] = error
            if error.cause in NO_ANSWER:
                no_answer.set()

    if rows:
        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(work, rows))
    return answers
