"""What a fault is: it is there while a block runs, and gone after it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos.promises import Promises
from tests.chaos.target import Target
from tests.engines.process import wait_until

POINT_WITHIN_S = 60.0


class Heals(StrEnum):
    """By when all tenants created before the end of a fault must be ready."""

    # 60 s after a process died, or a service is back.
    AFTER_DEATH = "after death"
    # One sweep and 5 s after the dispatch was lost.
    AFTER_LOST_DISPATCH = "after a lost dispatch"


@dataclass(frozen=True)
class Fault:
    """One way to do harm, under the name that the table shows.

    `during` breaks on entry, at its named point, and mends on exit; a process that was killed
    is mended by its supervisor. Sign-ups go on around it. `lasts_s` is how long it is held.
    """

    name: str
    during: Callable[[Target, Promises], AbstractContextManager[None]]
    lasts_s: float = 0.0
    heals: Heals = Heals.AFTER_DEATH
    is_kill: bool = False
    only_on: str | None = None


During = Callable[[Target, Promises], AbstractContextManager[None]]


def point(act: Callable[[Target, Promises], None]) -> During:
    """A fault that is over at once: it happens on entry, and nothing is left to mend."""

    @contextmanager
    def during(target: Target, promises: Promises) -> Iterator[None]:
        act(target, promises)
        yield

    return during


def lasting(harm: Callable[[Target], object], mend: Callable[[Target], object]) -> During:
    """A fault that begins on entry, and is mended on exit."""

    @contextmanager
    def during(target: Target, _promises: Promises) -> Iterator[None]:
        harm(target)
        try:
            yield
        finally:
            mend(target)

    return during


def await_new_tenant(target: Target, above: int) -> int:
    """The number of a tenant that is committed now and was not before."""
    last = wait_until(
        lambda: max(target.database.last_number() - above, 0), POINT_WITHIN_S, "a new tenant"
    )
    return above + last
