"""Trouble of the database, which holds the truth."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.faults.fault import Fault, lasting
from tests.chaos.promises import Promises
from tests.chaos.target import Target
from tests.engines.postgres import SparePostgres

LASTS_S = 5.0
# Longer than a writer waits for SQLite's lock.
LOCKED_S = 12.0


@contextmanager
def _locked(target: Target, _promises: Promises) -> Iterator[None]:
    with target.database.held():
        yield


def _postgres(target: Target) -> SparePostgres:
    assert target.postgres
    return target.postgres


_gone = lasting(lambda target: _postgres(target).kill(), lambda target: _postgres(target).start())
_frozen = lasting(
    lambda target: _postgres(target).freeze(), lambda target: _postgres(target).thaw()
)

FAULTS = [
    Fault("database locked", _locked, LOCKED_S),
    Fault("PostgreSQL killed", _gone, LASTS_S, is_kill=True, only_on="postgresql"),
    Fault("PostgreSQL frozen", _frozen, LASTS_S, only_on="postgresql"),
]
