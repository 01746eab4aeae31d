"""Figures that are read at most once a second, for any number of callers."""

import math
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

MAX_AGE_S = 1.0


class SharedReads:
    """The figures of this process, by name, each with the time at which it was read."""

    def __init__(self) -> None:
        self._figures: dict[str, tuple[float, Any]] = {}
        self._locks: dict[str, threading.Lock] = {}

    def read(self, name: str, make: Callable[[], T]) -> T:
        """A fresh figure, which is kept for the live parts."""
        read_at = time.monotonic()
        value = make()
        self._figures[name] = read_at, value
        return value

    def recall(self, name: str, make: Callable[[], T]) -> T:
        """The figure, at most a second old. Of concurrent callers, one reads it."""
        # `dict.setdefault` is atomic.
        with self._locks.setdefault(name, threading.Lock()):
            read_at, value = self._figures.get(name, (-math.inf, None))
            if time.monotonic() - read_at < MAX_AGE_S:
                figure: T = value
                return figure
            return self.read(name, make)
