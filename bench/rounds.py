"""Interleaved rounds: every contender in turn, again and again, on a machine that drifts."""

import time
from collections.abc import Callable, Mapping

from bench.figures import Measured
from bench.report import progress

# A look costs some 50 microseconds; what takes long is looked at less often, for an error of 0.5 %.
LOOK_EVERY_S = 0.001
READY_WITHIN_S = 600.0


def interleaved(
    contenders: Mapping[str, Callable[[], Measured]], rounds: int
) -> list[dict[str, Measured]]:
    """What each contender measured in each round; another one begins each time."""
    names = list(contenders)
    results = []
    for number in range(rounds):
        first = number % len(names)
        one = {}
        for name in names[first:] + names[:first]:
            progress(f"round {number + 1} of {rounds}: {name}")
            one[name] = contenders[name]()
        # As the table has them.
        results.append({name: one[name] for name in names})
    return results


def seconds_until(begin: Callable[[], object], is_done: Callable[[], bool]) -> float:
    """From the beginning until it is done, see `await_that`."""
    started = time.monotonic()
    begin()
    await_that(is_done)
    return time.monotonic() - started


def await_that(is_done: Callable[[], object]) -> None:
    """Return when it is done.

    Raises:
        TimeoutError: it was not, within ten minutes.
    """
    started = time.monotonic()
    while not is_done():
        if time.monotonic() - started > READY_WITHIN_S:
            raise TimeoutError(f"not ready within {READY_WITHIN_S:g} s")
        time.sleep(max(LOOK_EVERY_S, (time.monotonic() - started) / 200))
