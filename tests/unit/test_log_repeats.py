"""A failure that comes again and again: one line, then a count; nothing else is left out."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.access import settings_in
from webapp.logs import configure_logging, get_logger, repeats
from webapp.logs.repeats import Repeats

log = get_logger("tests.repeats")


class Written:
    """The lines of this process, as its handler writes them."""

    def __init__(self, handler: "logging.StreamHandler[Any]") -> None:
        self._stream = io.StringIO()
        handler.setStream(self._stream)
        (self.repeats,) = (each for each in handler.filters if isinstance(each, Repeats))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    def summaries(self) -> list[dict[str, Any]]:
        return [line for line in self.lines() if "repeated" in line]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(settings_in(tmp_path))
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    output = Written(handler)
    yield output
    # Else it would be told at the end of the process.
    output.repeats.tell(at_once=True)
    root.handlers[:] = handlers
    root.setLevel(level)


def fail(message: str = "refused", **fields: Any) -> None:
    log.error("round_failed", message=message, repeats=message, **fields)


def test_failure_is_written_once_and_counted_when_it_is_over(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        fail()
    assert [line["message"] for line in written.lines()] == ["refused"]
    written.repeats.tell()
    assert written.summaries() == []
    monkeypatch.setattr(repeats, "OVER_AFTER_S", 0.0)
    written.repeats.tell()
    (summary,) = written.summaries()
    assert (summary["event"], summary["level"]) == ("round_failed", "error")
    assert (summary["message"], summary["repeated"]) == ("refused", 4)
    assert summary["since"] < summary["until"] < summary["timestamp"]
    fail()
    assert len(written.lines()) == 3


def test_count_is_written_each_minute_while_a_failure_lasts(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "TOLD_EVERY_S", 0.0)
    for count in (2, 3):
        for _ in range(count):
            fail()
        written.repeats.tell()
    assert [line["repeated"] for line in written.summaries()] == [1, 3]
    written.repeats.tell()
    assert len(written.lines()) == 3


def test_failure_that_came_once_has_no_summary(written: Written) -> None:
    fail()
    written.repeats.tell(at_once=True)
    assert len(written.lines()) == 1


def test_what_says_something_new_is_written(written: Written) -> None:
    for message in ("refused", "frozen", "refused", "gone"):
        fail(message)
    for _ in range(2):
        log.error("create_failed", tenant_id=1)
    events = [line.get("message", line["event"]) for line in written.lines()]
    assert events == ["refused", "frozen", "gone", "create_failed", "create_failed"]
    assert all("repeats" not in line for line in written.lines())


def test_summary_names_no_single_request(written: Written) -> None:
    for number in (1, 2):
        with structlog.contextvars.bound_contextvars(request_id=f"r{number}", path="/x"):
            fail()
    first = written.lines()[0]
    written.repeats.tell(at_once=True)
    (summary,) = written.summaries()
    assert (first["request_id"], first["path"]) == ("r1", "/x")
    assert {"request_id", "path"}.isdisjoint(summary)


def test_a_start_that_migrates_nothing_writes_nothing(written: Written) -> None:
    migrations = logging.getLogger("alembic.runtime.migration")
    migrations.info("Context impl %s.", "SQLiteImpl")
    migrations.info("Will assume %s DDL.", "non-transactional")
    migrations.info("Running %s %s -> %s, %s", "upgrade", "0016", "0017", "checks")
    migrations.warning("odd")
    assert [line["event"][:7] for line in written.lines()] == ["Running", "odd"]


def test_attempts_of_a_library_are_one_failure(written: Written) -> None:
    rq = logging.getLogger("rq.worker")
    for pause_s in (1, 2, 4):
        rq.error("Worker %s: no Redis: %s retrying in %d s", "w", OSError("refused"), pause_s)
    rq.error("Worker %s: no Redis: %s retrying in %d s", "w", OSError("reset"), 1)
    assert len(written.lines()) == 2
    written.repeats.tell(at_once=True)
    *_, summary = written.lines()
    assert "refused" in summary["event"]
    assert "(repeated 2 times from " in summary["event"]
