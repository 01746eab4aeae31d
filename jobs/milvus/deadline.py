"""Bounds calls of a library that may overrun its own time-out."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

T = TypeVar("T")


class OverrunError(Exception):
    """The call did not end in time; it may still be running in its thread."""


class Deadline:
    """A common deadline for several steps."""

    def __init__(self, timeout_s: float) -> None:
        self._ends_at = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Seconds left, above zero.

        Raises:
            OverrunError: when none are left.
        """
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise OverrunError
        return left_s

    def run(self, work: Callable[[], T]) -> T:
        """What the work returns or raises, before the deadline.

        Raises:
            OverrunError: at the deadline; the work goes on in a thread that is not awaited.
        """
        outcome: Future[T] = Future()
        in_background(lambda: _settle(outcome, work))
        left_s = self.left_s()
        try:
            return outcome.result(left_s)
        except FutureTimeoutError as error:
            if outcome.done():
                raise
            raise OverrunError from error


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _settle(outcome: Future[T], work: Callable[[], T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - handed to the waiting thread as it is
        outcome.set_exception(error)
