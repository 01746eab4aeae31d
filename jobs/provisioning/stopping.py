"""Notices the worker's SIGTERM inside a job, so that the work in hand can be given back."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """An event that is set when this process is asked to stop, before RQ's own handler runs.

    RQ waits for the end of a job; a job that looks at the event can end sooner. Outside the
    main thread, where no handler can be set, the event is never set.
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
        # After a request RQ has set handlers of its own for the next one; those stay.
        if not stop.is_set():
            _restore(before)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
