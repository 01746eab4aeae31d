"""Figures shared by all live parts: read at most once a second, for any number of panels."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import current_app, request

T = TypeVar("T")

MAX_AGE_S = 1.0
LIVE = "/live/"


@dataclass
class _Figure:
    """One figure, and when it was read; the lock is held while it is read anew."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    value: Any = None
    read_at: float = -MAX_AGE_S

    def is_fresh(self) -> bool:
        return time.monotonic() - self.read_at < MAX_AGE_S

    def keep(self, value: Any, read_at: float) -> None:
        self.value, self.read_at = value, read_at


class SharedReads:
    """The figures of this process, by name."""

    def __init__(self) -> None:
        self._figures: dict[str, _Figure] = {}

    def read(self, name: str, make: Callable[[], T]) -> T:
        """A fresh figure, which is kept for the live parts."""
        read_at = time.monotonic()
        value = make()
        self._figure(name).keep(value, read_at)
        return value

    def recall(self, name: str, make: Callable[[], T]) -> T:
        """The figure, at most a second old. Of concurrent callers, one reads it."""
        figure = self._figure(name)
        with figure.lock:
            if not figure.is_fresh():
                read_at = time.monotonic()
                figure.keep(make(), read_at)
            value: T = figure.value
            return value

    def _figure(self, name: str) -> _Figure:
        # `dict.setdefault` is atomic.
        return self._figures.setdefault(name, _Figure())


def is_live() -> bool:
    """Whether a live part is requested, not a page."""
    return request.path.endswith(LIVE)


def recent(name: str, make: Callable[[], T]) -> T:
    """A fresh figure; on a live part, one up to a second old.

    `make` must not depend on the user, and must return values, no rows of a session.
    """
    figures: SharedReads = current_app.extensions["shared_reads"]
    return figures.recall(name, make) if is_live() else figures.read(name, make)
