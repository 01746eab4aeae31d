"""The geometry of charts: bars, lines and axes in percent of the picture."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

Y_STEPS_S = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0, 3_024_000.0)
MOST_Y_TICKS = 5
NICE = (1, 2, 5)
# Ticks nearer to an edge would be cut off.
EDGE = 4.0


@dataclass(frozen=True)
class Tick:
    """A line across the picture, in percent from the left or the top."""

    place: float
    value: float


@dataclass(frozen=True)
class LogAxis:
    """A logarithmic axis; each step is a multiple of the one before."""

    steps: Sequence[float]

    @property
    def ticks(self) -> list[Tick]:
        """At most `MOST_Y_TICKS` of its steps, the longest first."""
        every = math.ceil(len(self.steps) / MOST_Y_TICKS)
        return [Tick(self.place(step), step) for step in self.steps[::-1][::every]]

    def place(self, value: float) -> float:
        """The place of a value, in percent from the top."""
        lowest, highest = self.steps[0], self.steps[-1]
        value = min(max(value, lowest), highest)
        return _rounded(100 - 100 * math.log(value / lowest) / math.log(highest / lowest))


@dataclass(frozen=True)
class TimeTick:
    place: float
    at: datetime

    @property
    def left(self) -> float:
        """Where its label begins; the label is 20 percent wide."""
        return self.place - 10


@dataclass(frozen=True)
class Bar:
    """A bar, with the failures in front of it."""

    x: float
    width: float
    height: float
    failed: float


def bars(counts: Sequence[tuple[int, int]], top: int) -> Iterator[Bar]:
    """A bar for each bucket with events: the total, and the failures."""
    width = 100 / len(counts)
    for number, (every, failed) in enumerate(counts):
        if every or failed:
            yield Bar(
                x=_rounded(number * width + width * 0.1),
                width=_rounded(width * 0.8),
                height=_rounded(100 * every / top),
                failed=_rounded(100 * failed / top),
            )


def counting_axis(most: int) -> list[Tick]:
    """Round whole numbers from 0 to at least `most`."""
    step = next(step for step in _nice_steps() if step * 4 >= most)
    steps = max(1, math.ceil(most / step))
    return [Tick(100 - 100 * n / steps, n * step) for n in range(steps + 1)]


def duration_axis(least_s: float, most_s: float) -> LogAxis:
    """Round durations, from one below the least to one above the most."""
    below = max((n for n, step in enumerate(Y_STEPS_S) if step <= least_s), default=0)
    last = len(Y_STEPS_S) - 1
    above = min((n for n, step in enumerate(Y_STEPS_S) if step >= most_s), default=last)
    below = min(below, last - 1)
    return LogAxis(Y_STEPS_S[below : max(above, below + 1) + 1])


def time_axis(since: datetime, lasts: timedelta, step: timedelta) -> Iterator[TimeTick]:
    """Round times in a span, where their labels have room."""
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + step * math.ceil((since - midnight) / step)
    while at < since + lasts:
        place = _rounded(100 * ((at - since) / lasts))
        if EDGE <= place <= 100 - EDGE:
            yield TimeTick(place, at)
        at += step


def line(places: Sequence[float | None]) -> str:
    """A path from bucket to bucket, interrupted where one has no value."""
    width, path, is_drawn = 100 / len(places), [], False
    for number, y in enumerate(places):
        if y is not None:
            path.append(f"{'L' if is_drawn else 'M'}{_rounded((number + 0.5) * width)} {y}")
        is_drawn = y is not None
    return "".join(path)


def dots(places: Sequence[float | None]) -> str:
    """A path with a dot at each bucket with a value."""
    width = 100 / len(places)
    return "".join(
        f"M{_rounded((number + 0.5) * width)} {y}h0"
        for number, y in enumerate(places)
        if y is not None
    )


def _nice_steps() -> Iterator[int]:
    power = 1
    while True:
        for factor in NICE:
            yield factor * power
        power *= 10


def _rounded(percent: float) -> float:
    return round(percent, 2)
