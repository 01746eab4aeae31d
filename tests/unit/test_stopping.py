"""A job notices the worker's signals, and leaves the handlers as it found them."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from jobs.provisioning.stopping import stop_requests


@pytest.fixture
def heard() -> Iterator[list[int]]:
    signals: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: signals.append(number))
    yield signals
    signal.signal(signal.SIGTERM, before)


def test_event_is_set_and_the_signal_passed_on_when_the_process_is_asked(heard: list[int]) -> None:
    with stop_requests() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(2)
    assert heard == [signal.SIGTERM]


def test_handlers_are_restored_when_nothing_was_asked(heard: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_requests():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_second_signal_reaches_only_the_worker_when_one_was_noted(heard: list[int]) -> None:
    with stop_requests():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert heard == [signal.SIGTERM] * 2


def test_nothing_is_heard_when_the_job_runs_outside_the_main_thread() -> None:
    found: list[bool] = []

    def work() -> None:
        with stop_requests() as stop:
            found.append(stop.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
