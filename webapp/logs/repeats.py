"""A failure that comes again and again is logged once, and then counted.

A logger's caller marks such a line with `repeats=KEY`: lines of one event and key are one failure.
"""

import atexit
import logging
import threading
import time
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from webapp.times import rfc3339

MARK = "repeats"
# Of libraries that log each of their attempts to connect.
LIBRARIES = frozenset({"rq.worker"})
TOLD_EVERY_S = 60.0
# Longer than the pause of any of our loops; then the failure is over.
OVER_AFTER_S = 20.0
POLL_S = 1.0
OF_ONE_LINE = frozenset(
    {"timestamp", "exc_info", "exception", "request_id", "job_id", "method", "path"}
)


@dataclass
class _Failure:
    record: logging.LogRecord
    since: datetime
    told_at: float
    last_at: float
    until: datetime
    count: int = 0


class Repeats(logging.Filter):
    """Lets the first line of a failure pass; a summary follows each minute, at its end, at exit.

    A summary has the fields of the last line without those of its request or job, `repeated` (how
    many lines were left out), `since`, when the failure began, and `until`, when it last came: by
    the time at which the summary is written it may be over.
    """

    def __init__(self) -> None:
        super().__init__()
        self._failures: dict[tuple[Any, ...], _Failure] = {}
        self._lock = threading.Lock()
        self._is_watched = self._is_told_at_exit = False
        self._never = threading.Event()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        key = _key(record)
        if key is None:
            return True
        now = time.monotonic()
        with self._lock:
            if failure := self._failures.get(key):
                failure.record, failure.last_at = record, now
                failure.until = datetime.now(UTC)
                failure.count += 1
                return False
            at = datetime.now(UTC)
            self._failures[key] = _Failure(record, at, now, now, at)
            self._begin_to_watch()
        return True

    def _begin_to_watch(self) -> None:
        if not self._is_told_at_exit:
            atexit.register(self._tell_at_exit)
            self._is_told_at_exit = True
        if not self._is_watched:
            threading.Thread(target=self._watch, name="log-repeats", daemon=True).start()
            self._is_watched = True

    def _watch(self) -> None:
        while True:
            self._never.wait(POLL_S)
            self.tell()
            with self._lock:
                if not self._failures:
                    self._is_watched = False
                    return

    def _tell_at_exit(self) -> None:
        # The stream may be closed by then, and a complaint about it would be lost too.
        logging.raiseExceptions = False
        self.tell(at_once=True)

    def tell(self, *, at_once: bool = False) -> None:
        """Write the summaries that are due."""
        now = time.monotonic()
        due: list[logging.LogRecord] = []
        with self._lock:
            for key, failure in list(self._failures.items()):
                is_over = at_once or now - failure.last_at >= OVER_AFTER_S
                if failure.count and (is_over or now - failure.told_at >= TOLD_EVERY_S):
                    due.append(_summary(failure))
                    failure.told_at, failure.count = now, 0
                if is_over:
                    del self._failures[key]
        for record in due:
            logging.getLogger(record.name).handle(record)


def _key(record: logging.LogRecord) -> tuple[Any, ...] | None:
    """What makes it the same failure as another line; None for a line that stands for itself."""
    if isinstance(record.msg, dict):
        key = record.msg.pop(MARK, None)
        return None if key is None else (record.name, record.msg.get("event"), key)
    if record.name not in LIBRARIES or record.levelno < logging.WARNING:
        return None
    # Numbers are of the attempt, as the seconds until the next one.
    arguments = record.args if isinstance(record.args, tuple) else ()
    return record.name, record.msg, *(str(each) for each in arguments if not _is_number(each))


def _is_number(argument: object) -> bool:
    return isinstance(argument, int | float)


def _summary(failure: _Failure) -> logging.LogRecord:
    record, since, until = copy(failure.record), rfc3339(failure.since), rfc3339(failure.until)
    if isinstance(record.msg, dict):
        told = {"repeated": failure.count, "since": since, "until": until}
        told |= {"timestamp": rfc3339(datetime.now(UTC))}
        kept = {name: each for name, each in record.msg.items() if name not in OF_ONE_LINE}
        record.msg = kept | told
        return record
    text = record.getMessage()
    when = f"from {since} to {until}"
    record.msg, record.args = f"{text} (repeated {failure.count} times {when})", None
    record.exc_info = None
    # Of no library: what is told is not counted.
    record.name = f"{record.name}.repeats"
    return record
