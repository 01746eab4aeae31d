"""Compares a database with Milvus before it draws numbers: the counter is lifted above Milvus's.

A database from a backup lacks later tenants: without this, a new tenant could get the number of
one of them, and its partition.
"""

import time
from functools import partial

from jobs.context import Worker
from jobs.drift.observations import observed_collections
from jobs.milvus.store import PartitionStore, StoreError, unless_missing
from webapp.logs import get_logger
from webapp.models.causes import Cause
from webapp.numbers.counter import lift_above
from webapp.services import Services

PAUSE_S = 0.1

NOT_ASKED = (
    "The database was restored from a backup, and Milvus could not be asked which numbers are in "
    "use ({error}). No tenants are made before it answers; then all goes on by itself."
)

log = get_logger("paratia.database")


class Numbers:
    """The sweep's comparison of a database that was restored, or was never compared."""

    def __init__(self, services: Services, store: PartitionStore) -> None:
        self._services = services
        self._store = store
        self._waits_for: Cause | None = None

    def compare(self) -> int:
        """Compare where that is to be done; returns 1 when it was."""
        if self._services.incarnations.is_compared():
            return 0
        try:
            lift_numbers(self._services, self._store)
        except StoreError as error:
            if self._waits_for != error.cause:
                log.warning("database.not_compared", cause=error.cause, message=error.message)
            self._waits_for = error.cause
            return 0
        self._waits_for = None
        return 1


def lift_at_start(worker: Worker) -> str | None:
    """Compare at the start; returns a warning where a restored database could not be compared.

    An embedded Milvus, which starts at the same time, has MILVUS_TIMEOUT to answer.
    """
    settings, incarnations = worker.settings, worker.services.incarnations
    patience_s = settings.milvus_timeout if settings.milvus_is_embedded else 0.0
    give_up_at = time.monotonic() + patience_s
    is_known = incarnations.check()
    try:
        while True:
            try:
                lift_numbers(worker.services, worker.store)
            except StoreError as error:
                if error.cause != Cause.MILVUS_UNREACHABLE or time.monotonic() > give_up_at:
                    return None if is_known else NOT_ASKED.format(error=error.message)
                time.sleep(PAUSE_S)
            else:
                return None
    finally:
        worker.store.close()


def lift_numbers(services: Services, store: PartitionStore) -> None:
    """List every collection that a sweep observes, lift the counter, and store that it is done.

    Raises:
        StoreError: of the first collection without an answer.
    """
    for collection in observed_collections(services.database, services.policy.collection):
        names = unless_missing(partial(store.list_partitions, collection), frozenset[str]())
        lift_above(services.database, names)
    services.incarnations.record_compared()
