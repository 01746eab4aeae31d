"""Figures that all live parts share: read at most once a second, however many panels are open."""

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
    """One figure, and the moment it was read at; the lock is held by whoever reads it anew."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    value: Any = None
    read_at: float = -MAX_AGE_S

    def is_fresh(self) -> bool:
        return time.monotonic() - self.read_at < MAX_AGE_S

    def keep(self, value: Any, read_at: float) -> None:
        self.value, self.read_at = value, read_at


class SharedReads:
    """The figures of a process, by their names."""

    def __init__(self) -> None:
        self._figures: dict[str, _Figure] = {}

    def read(self, name: str, make: Callable[[], T]) -> T:
        """The figure as of now, kept for the live parts."""
        read_at = time.monotonic()
        value = make()
        self._figure(name).keep(value, read_at)
        return value

    def recall(self, name: str, make: Callable[[], T]) -> T:
        """The figure as of a second ago or less. Of all who ask at once, one reads it."""
        figure = self._figure(name)
        with figure.lock:
            if not figure.is_fresh():
                read_at = time.monotonic()
                figure.keep(make(), read_at)
            value: T = figure.value
            return value

    def _figure(self, name: str) -> _Figure:
        # `setdefault` of a dict is one step for threads.
        return self._figures.setdefault(name, _Figure())


def is_live() -> bool:
    """Whether a page's live part is asked for, and not a page."""
    return request.path.endswith(LIVE)


def recent(name: str, make: Callable[[], T]) -> T:
    """What all panels show alike: fresh on a page, up to a second old on its live part.

    `make` must not depend on who asks, and must return values: no rows of a session.
    """
    figures: SharedReads = current_app.extensions["shared_reads"]
    return figures.recall(name, make) if is_live() else figures.read(name, make)
