"""Deaths of the product's own processes, each at a named point."""

import time
from collections.abc import Callable

from tests.acceptance.running import NAMES
from tests.chaos.faults.fault import POINT_WITHIN_S, Fault, Heals, await_new_tenant, point
from tests.chaos.promises import Promises
from tests.chaos.target import Target
from tests.engines.process import wait_until
from tests.engines.proxy import Mode

# A request for a creation (or for a drop) holds the partition's name; no other request does.
NAME = b"tenant_"


def _at_any_time(part: str) -> Callable[[Target, Promises], None]:
    def die(target: Target, _promises: Promises) -> None:
        _alive(target, part)
        time.sleep(target.random.uniform(0, 0.5))
        target.product.kill(part)

    return die


def _web_before_the_commit(target: Target, _promises: Promises) -> None:
    with target.database.held():
        # While nobody can commit, requests get as far as they can.
        time.sleep(target.random.uniform(0.2, 1.0))
        target.product.kill("web")


def _web_between_commit_and_dispatch(target: Target, _promises: Promises) -> None:
    with target.product.frozen("redis"):
        # The dispatch waits for the frozen Redis: the commit lies behind, the dispatch ahead.
        await_new_tenant(target, target.database.last_number())
        target.product.kill("web")


def _worker_before_the_call(target: Target, _promises: Promises) -> None:
    # The request itself is lost too, or the server would do what a dead worker asked.
    _at_next_call(target, lambda: target.network.switch(Mode.RESET))
    target.network.switch(Mode.PASS)


def _worker_during_the_call(target: Target, _promises: Promises) -> None:
    _at_next_call(target, target.milvus.freeze)
    target.milvus.thaw()


def _worker_after_the_call(target: Target, _promises: Promises) -> None:
    before = set(target.partitions.names())
    _alive(target, "worker")
    try:
        called = target.network.watch(NAME, lambda: target.network.switch(Mode.MUTE))
        _await(called.is_set, "a call")
        _await(lambda: set(target.partitions.names()) - before, "the partition")
        target.product.kill("worker")
    finally:
        target.network.unwatch()
        target.network.switch(Mode.PASS)


def _worker_after_the_record(target: Target, _promises: Promises) -> None:
    _alive(target, "worker")
    tenant_id = await_new_tenant(target, target.database.last_number())
    _await(lambda: target.database.state(tenant_id) == "ready", "the record")
    target.product.kill("worker")


def _anything(target: Target, _promises: Promises) -> None:
    """Three deaths in a row, of whom and when the seed says."""
    for _ in range(3):
        time.sleep(target.random.uniform(0, 3))
        victim = target.random.choice([part for part in NAMES if part != "milvus"])
        target.product.kill(victim)


def _at_next_call(target: Target, then: Callable[[], object]) -> None:
    """Kill the worker when its next call for a creation is on its way, and do `then` before."""

    def strike() -> None:
        then()
        target.product.kill("worker")

    _alive(target, "worker")
    called = target.network.watch(NAME, strike)
    try:
        _await(called.is_set, "a call")
    finally:
        target.network.unwatch()


def _alive(target: Target, part: str) -> None:
    """Wait for a part that is still being brought back from its last death."""
    _await(lambda: target.product.run.pids(part), part)


def _await(condition: Callable[[], object], what: str) -> None:
    wait_until(condition, POINT_WITHIN_S, what)


FAULTS = [
    Fault("web killed at any time", point(_at_any_time("web")), is_kill=True),
    Fault("web killed before the commit", point(_web_before_the_commit), is_kill=True),
    Fault(
        "web killed between commit and dispatch",
        point(_web_between_commit_and_dispatch),
        heals=Heals.AFTER_LOST_DISPATCH,
        is_kill=True,
    ),
    Fault("worker killed at any time", point(_at_any_time("worker")), is_kill=True),
    Fault("worker killed before the call", point(_worker_before_the_call), is_kill=True),
    Fault("worker killed during the call", point(_worker_during_the_call), is_kill=True),
    Fault("worker killed after the call", point(_worker_after_the_call), is_kill=True),
    Fault("worker killed after the record", point(_worker_after_the_record), is_kill=True),
    Fault("reconciler killed", point(_at_any_time("reconciler")), is_kill=True),
    Fault("three of them killed at random", point(_anything), is_kill=True),
]
