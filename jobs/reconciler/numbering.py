"""Lifts the tenants' numbers above those in Milvus, before anybody can make a tenant.

A database that was restored from a backup knows nothing of the tenants made since; until their
partitions have been seen, a new tenant could be given one of their numbers.
"""

import time

from jobs.context import Worker
from jobs.drift.observations import Observations
from jobs.milvus.store import PartitionStore, StoreError
from webapp.models.causes import Cause
from webapp.services import Services
from webapp.tenants.numbering import lift_above

PAUSE_S = 0.1

NOT_ASKED = (
    "Milvus could not be asked which numbers are in use ({error}). After a restore of the "
    "database, make no tenants before `flask partitions reconcile --once` has succeeded."
)


def lift_at_start(worker: Worker) -> str | None:
    """Lift them; returns a warning where Milvus did not answer, which keeps nothing from starting.

    An embedded Milvus, which starts at the same time, is given MILVUS_TIMEOUT to come up.
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
    """Look at every collection that a sweep would, and lift the numbers above what is there.

    Raises:
        StoreError: of the first collection that there was no answer for.
    """
    for collection in Observations(services.database).collections(services.policy.collection):
        try:
            names = store.list_partitions(collection)
        except StoreError as error:
            if error.cause != Cause.COLLECTION_MISSING:
                raise
            # What does not exist holds no numbers.
            continue
        lift_above(services.database, names)
