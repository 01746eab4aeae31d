"""Trouble of the database, which holds the truth."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.faults.fault import Fault
from tests.chaos.promises import Promises
from tests.chaos.target import Target

LASTS_S = 5.0
# Longer than a writer waits for SQLite's lock.
LOCKED_S = 12.0


@contextmanager
def _locked(target: Target, _promises: Promises) -> Iterator[None]:
    with target.database.held():
        yield


@contextmanager
def _gone(target: Target, _promises: Promises) -> Iterator[None]:
    assert target.postgres
    target.postgres.kill()
    try:
        yield
    finally:
        target.postgres.start()


@contextmanager
def _frozen(target: Target, _promises: Promises) -> Iterator[None]:
    assert target.postgres
    target.postgres.freeze()
    try:
        yield
    finally:
        target.postgres.thaw()


FAULTS = [
    Fault("database locked", _locked, LOCKED_S),
    Fault("PostgreSQL killed", _gone, LASTS_S, is_kill=True, only_on="postgresql"),
    Fault("PostgreSQL frozen", _frozen, LASTS_S, only_on="postgresql"),
]
