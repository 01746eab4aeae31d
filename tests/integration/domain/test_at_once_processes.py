"""Eight processes at once on the same tenants: one partition each, no deadlock, all settled."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest
from jobs.milvus.client import MilvusPartitionStore
from sqlalchemy import text

from tests.engines.lite import LiteServer
from tests.engines.process import wait_until
from tests.factories import ACTOR, Product
from tests.milvus_collections import make_collection
from tests.model.roles import ROLES, Part, meet, play

TENANTS = 40
LASTS_S = 2.0
SETTLED = {"ready", "removed"}


@pytest.fixture(scope="module")
def at_once() -> Iterator[Callable[[list[Part]], list[str]]]:
    """Has each part played in a process of its own, all let go at one moment."""
    # Forked from a process that has loaded everything, and called nothing: eight that each load
    # the product by themselves cost 20 s.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.model.roles", "pymilvus"])
    gate = context.Barrier(len(ROLES))
    with ProcessPoolExecutor(len(ROLES), context, meet, (gate,)) as processes:
        yield lambda parts: [wrong for each in processes.map(play, parts) for wrong in each]


def test_each_has_its_one_partition_when_eight_processes_change_everything_at_once(
    product: Product,
    at_once: Callable[[list[Part]], list[str]],
    milvus_lite: LiteServer,
    store: MilvusPartitionStore,
) -> None:
    collection = make_collection(milvus_lite.uri)
    whole = product.configured(
        milvus_uri=milvus_lite.uri,
        milvus_collection=collection,
        milvus_timeout=10,
        partition_grace=0,
        partition_chunk_size=10,
    )
    numbers = whole.imported_tenants(TENANTS)
    values = whole.settings.model_dump()
    assert at_once([Part(role, values, numbers, LASTS_S) for role in ROLES]) == []
    settle(whole, store)
    assert sorted(store.list_partitions(collection)) == sorted(
        ["_default", *(f"tenant_{number}" for number in living(whole))]
    )
    assert deadlocks(whole) == 0
    whole.repair.drop_stale_failed_jobs()
    assert (whole.queued(), whole.failed_jobs()) == ([], [])


def settle(product: Product, store: MilvusPartitionStore) -> None:
    """Let due loop, sweep, departures and a worker go on until nothing is left to do."""
    product.services.backfill.dispatch(product.backfillable(), actor=ACTOR, progress=lambda _: None)
    reconciler = product.reconciler(store)

    def is_settled() -> bool:
        product.retry_failed()
        reconciler.dispatch_due()
        reconciler.sweep()
        reconciler.remove_due(threading.Event())
        product.work(store)
        return set(product.states()) <= SETTLED

    wait_until(is_settled, 60, "every request to be settled")


def living(product: Product) -> list[int]:
    """The numbers of those who have not left; each has a row, and it is ready."""
    words = (
        "SELECT t.id FROM tenant t JOIN partition p ON p.tenant_id = t.id "
        "WHERE t.deleted_at IS NULL AND p.state = 'ready'"
    )
    with product.engine.connect() as connection:
        ready = list(connection.scalars(text(words)))
        alive = connection.scalar(text("SELECT count(*) FROM tenant WHERE deleted_at IS NULL"))
    assert len(ready) == alive
    return ready


def deadlocks(product: Product) -> int:
    """How often PostgreSQL had to break one; SQLite has one writer at a time."""
    if product.engine.dialect.name == "sqlite":
        return 0
    words = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with product.engine.connect() as connection:
        return int(connection.scalar(text(words)) or 0)
