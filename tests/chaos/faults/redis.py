"""Harm to Redis, which holds nothing but doorbells."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis

from tests.chaos.faults.fault import POINT_WITHIN_S, Fault, Heals, point
from tests.chaos.promises import Promises
from tests.chaos.target import Target
from tests.engines.process import wait_until

JOBS_LOST = 5


def _kill(target: Target, _promises: Promises) -> None:
    wait_until(lambda: target.product.run.pids("redis"), POINT_WITHIN_S, "Redis")
    target.product.kill("redis")


def _flush(target: Target, _promises: Promises) -> None:
    """Lose jobs that wait for a worker, not an empty queue."""
    with _worker_frozen(target):
        last = target.database.last_number() + JOBS_LOST
        wait_until(lambda: target.database.last_number() >= last, POINT_WITHIN_S, "waiting jobs")
        with Redis(unix_socket_path=str(target.product.var_dir / "redis.sock")) as client:
            client.flushall()


@contextmanager
def _worker_frozen(target: Target) -> Iterator[None]:
    # Not while it holds SQLite's lock itself, or nobody could sign up.
    with target.database.held():
        target.product.signal("worker", signal.SIGSTOP)
    try:
        yield
    finally:
        target.product.signal("worker", signal.SIGCONT)


@contextmanager
def _freeze(target: Target, _promises: Promises) -> Iterator[None]:
    with target.product.frozen("redis"):
        yield


KILLED = Fault("Redis killed", point(_kill), heals=Heals.AFTER_LOST_DISPATCH, is_kill=True)
FLUSHED = Fault("Redis flushed", point(_flush), heals=Heals.AFTER_LOST_DISPATCH)
FAULTS = [KILLED, FLUSHED, Fault("Redis frozen", _freeze, 3.0, heals=Heals.AFTER_LOST_DISPATCH)]
