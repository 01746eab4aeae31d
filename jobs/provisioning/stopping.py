"""Notices the worker's SIGTERM inside a job, so that the job can hand back its claims."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """An event that is set by SIGTERM and SIGINT, before RQ's own handler runs.

    RQ waits for the end of a job; a job that checks the event ends sooner. Outside the main
    thread no handler can be set, so the event never is.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, frame: FrameType | None) -> None:
        stop.set()
        _restore(before)
        previous = before[signal.Signals(number)]
        if callable(previous):
            previous(number, frame)

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        # RQ's handler has set another one for a second request; that stays.
        if not stop.is_set():
            _restore(before)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
