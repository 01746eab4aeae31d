"""Deletion against provisioning: nobody comes back, and no partition stays behind."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from bench.report import progress
from tests.chaos.clients import create_and_delete
from tests.chaos.faults.processes import NAME
from tests.chaos.options import Options
from tests.chaos.promises import Promises
from tests.chaos.table import Line, show
from tests.chaos.target import Target, target
from tests.chaos.trial import findings
from tests.engines.process import wait_until

RUNNERS = 4
# Provisioning takes some tens of milliseconds: deletions come before, during and after it.
CHANGES_MIND_WITHIN_S = 0.3
GONE_WITHIN_S = 60.0
SHORT_WAITS = {"PARTITION_GRACE": "0", "MILVUS_TIMEOUT": "2", "PARTITION_BACKOFF": "1"}
# Longer than the lease (2 time-outs and 5 s) and the time-out that a drop waits after it.
OVER_THE_DROP_S = 15.0


@dataclass(frozen=True)
class Race:
    """Deletions while something holds the creations back, in rounds."""

    name: str
    disturbed: Callable[[Target], AbstractContextManager[None]]
    rounds: int
    each: int


def run(options: Options) -> bool:
    """True when every tenant that was told to go is gone, and so is its partition."""
    database = options.databases[0]
    few = options.share_of(6)
    races = [
        Race("deletion at any time", lambda _target: nullcontext(), 1, options.races),
        Race("worker frozen until after the drop", _frozen, few, RUNNERS * 2),
        Race("creation that arrives after the drop", _late, few, RUNNERS * 2),
    ]
    with target(database, options.random(), **SHORT_WAITS) as running:
        promises = Promises()
        lines = [_run(running, race, promises) for race in races if options.chooses(race.name)]
    return show(f"Deletion against provisioning on {database}", lines)


def _run(target: Target, race: Race, promises: Promises) -> Line:
    before, times = len(promises.acknowledged()), []
    for _ in range(race.rounds):
        with race.disturbed(target), ThreadPoolExecutor(RUNNERS) as runners:
            shares = [race.each // RUNNERS] * RUNNERS
            list(runners.map(lambda share: _create_and_delete(target, promises, share), shares))
        times.append(_settle(target, promises))
        progress(f"{race.name}: all gone after {times[-1]:.1f} s")
    return Line(
        fault=race.name,
        trials=race.rounds * race.each,
        acknowledged=len(promises.acknowledged()) - before,
        findings=frozenset(findings(target, promises)),
        healed_s=times,
        bound_s=GONE_WITHIN_S,
        misses=_unfinished(target),
    )


def _create_and_delete(target: Target, promises: Promises, times: int) -> None:
    def rest() -> None:
        time.sleep(target.random.uniform(0, CHANGES_MIND_WITHIN_S))

    create_and_delete(target.product, promises, times, rest)


def _settle(target: Target, promises: Promises) -> float:
    """Seconds until all are gone; more than the bound where somebody is not."""
    began = time.monotonic()
    try:
        wait_until(
            lambda: not (_unfinished(target) or findings(target, promises)),
            2 * GONE_WITHIN_S,
            "all to be gone",
        )
    except TimeoutError as error:
        progress(str(error))
    return time.monotonic() - began


def _unfinished(target: Target) -> list[str]:
    return [
        f"tenant {row.id} was deleted and is {row.state}"
        for row in target.database.rows()
        if row.is_deleted and row.state != "removed"
    ]


@contextmanager
def _frozen(target: Target) -> Iterator[None]:
    """The worker stops while its call is on the way, and goes on when the drop is over."""

    def freeze() -> None:
        target.product.signal("worker", signal.SIGSTOP)

    called = target.network.watch(NAME, freeze)
    try:
        yield
        wait_until(called.is_set, GONE_WITHIN_S, "a creation on its way")
        time.sleep(OVER_THE_DROP_S)
    finally:
        target.product.signal("worker", signal.SIGCONT)


@contextmanager
def _late(target: Target) -> Iterator[None]:
    """The next request for a creation is on its way for longer than anybody waits for it."""
    called = target.network.watch(NAME, hold_s=OVER_THE_DROP_S)
    yield
    wait_until(called.is_set, GONE_WITHIN_S, "a creation on its way")
    time.sleep(OVER_THE_DROP_S)
