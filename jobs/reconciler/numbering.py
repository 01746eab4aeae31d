"""Lifts the counter of tenants' numbers above those in Milvus, before the web process starts.

A database from a backup lacks later tenants: without this, a new tenant could get the number of
one of them, and its partition.
"""

import time
from functools import partial

from jobs.context import Worker
from jobs.drift.observations import observed_collections
from jobs.milvus.store import PartitionStore, StoreError, unless_missing
from webapp.models.causes import Cause
from webapp.services import Services
from webapp.tenants.numbering import lift_above

PAUSE_S = 0.1

NOT_ASKED = (
    "Milvus could not be asked which numbers are in use ({error}). After a restore of the "
    "database, make no tenants before `flask partitions reconcile --once` has succeeded."
)


def lift_at_start(worker: Worker) -> str | None:
    """Lift the counter; returns a warning where Milvus did not answer: the start goes on.

    An embedded Milvus, which starts at the same time, has MILVUS_TIMEOUT to answer.
    """
    settings = worker.settings
    patience_s = settings.milvus_timeout if settings.milvus_is_embedded else 0.0
    give_up_at = time.monotonic() + patience_s
    try:
        while True:
            try:
                lift_numbers(worker.services, worker.store)
            except StoreError as error:
                if error.cause != Cause.MILVUS_UNREACHABLE or time.monotonic() > give_up_at:
                    return NOT_ASKED.format(error=error.message)
                time.sleep(PAUSE_S)
            else:
                return None
    finally:
        worker.store.close()


def lift_numbers(services: Services, store: PartitionStore) -> None:
    """List every collection that a sweep observes, and lift the counter.

    Raises:
        StoreError: of the first collection without an answer.
    """
    for collection in observed_collections(services.database, services.policy.collection):
        names = unless_missing(partial(store.list_partitions, collection), frozenset[str]())
        lift_above(services.database, names)
