"""Interleaved rounds: every contender in turn, again and again, on a machine that drifts."""

import time
from collections.abc import Callable, Mapping

from bench.figures import Round
from bench.report import progress
from tests.engines.process import wait_until

LOOK_EVERY_S = 0.02
READY_WITHIN_S = 600.0


def interleaved(contenders: Mapping[str, Callable[[], float]], rounds: int) -> list[Round]:
    """What each contender measured in each round; another one begins each time."""
    names = list(contenders)
    results: list[Round] = []
    for number in range(rounds):
        first = number % len(names)
        one = {}
        for name in names[first:] + names[:first]:
            progress(f"round {number + 1} of {rounds}: {name}")
            one[name] = contenders[name]()
        results.append(one)
    return results


def seconds_until_ready(
    begin: Callable[[], object], count_ready: Callable[[], int], tenants: int
) -> float:
    """From the beginning until so many tenants are ready.

    Raises:
        TimeoutError: they were not, within ten minutes.
    """
    started = time.monotonic()
    begin()
    wait_until(
        lambda: count_ready() >= tenants,
        READY_WITHIN_S,
        f"{tenants} tenants to be ready",
        longest_pause_s=LOOK_EVERY_S,
    )
    return time.monotonic() - started
