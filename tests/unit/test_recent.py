"""Figures that live parts share: one reads them for all, and never for longer than a second."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from webapp.http import shared_reads
from webapp.http.shared_reads import SharedReads


def test_one_reads_for_all_when_many_ask_at_once() -> None:
    figures, gate, made = SharedReads(), threading.Barrier(8), []

    def make() -> int:
        made.append(1)
        return len(made)

    def ask() -> int:
        gate.wait()
        return figures.recall("frame", make)

    with ThreadPoolExecutor(8) as threads:
        answers = {each.result() for each in [threads.submit(ask) for _ in range(8)]}
    assert answers == {1}


def test_a_figure_is_read_anew_when_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, numbers = SharedReads(), iter(range(9))
    assert figures.recall("frame", lambda: next(numbers)) == 0
    assert figures.recall("frame", lambda: next(numbers)) == 0
    monkeypatch.setattr(shared_reads, "MAX_AGE_S", 0.0)
    assert figures.recall("frame", lambda: next(numbers)) == 1


def test_a_figure_is_read_by_the_next_when_nobody_could_read_it() -> None:
    figures = SharedReads()
    with pytest.raises(ZeroDivisionError):
        figures.recall("frame", lambda: 1 // 0)
    assert figures.recall("frame", lambda: 5) == 5


def test_what_a_page_read_is_what_the_live_part_shows_next() -> None:
    figures = SharedReads()
    figures.recall("frame", lambda: "before")
    figures.read("frame", lambda: "after")
    assert figures.recall("frame", lambda: "later") == "after"
