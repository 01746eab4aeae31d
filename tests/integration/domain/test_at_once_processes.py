"""Eight processes at once on the same tenants: one partition each, no deadlock, all settled."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.engines.process import wait_until
from tests.factories import Product
from tests.model.roles import ROLES, Part, meet, play
from webapp.models.tenant import Tenant

TENANTS = 40
LASTS_S = 1.2
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
    placed: Product, at_once: Callable[[list[Part]], list[str]]
) -> None:
    whole = placed.configured(milvus_timeout=10, partition_grace=0, partition_chunk_size=10)
    numbers = whole.imported_tenants(TENANTS)
    values = whole.settings.model_dump()
    assert at_once([Part(role, values, numbers, LASTS_S) for role in ROLES]) == []
    settle(whole)
    assert whole.listed() == {f"tenant_{number}" for number in living(whole)}
    assert deadlocks(whole) == 0
    whole.repair.drop_stale_failed_jobs()
    assert (whole.queued(), whole.failed_jobs()) == ([], [])


def settle(product: Product) -> None:
    """Let due loop, sweep, departures and a worker go on until nothing is left to do."""
    product.backfill()
    reconciler = product.reconciler()

    def is_settled() -> bool:
        product.retry_failed()
        reconciler.dispatch_due()
        reconciler.sweep()
        reconciler.remove_due(threading.Event())
        product.work()
        return set(product.states()) <= SETTLED

    wait_until(is_settled, 60, "every request to be settled")


def living(product: Product) -> list[int]:
    """The numbers of those who have not left; each is ready."""
    alive = product.select(select(Tenant.id).where(Tenant.deleted_at.is_(None)))
    assert {product.row(number).state for number in alive} <= {"ready"}
    return alive


def deadlocks(product: Product) -> int:
    """How often PostgreSQL had to break one; SQLite has one writer at a time."""
    if product.engine.dialect.name == "sqlite":
        return 0
    words = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    return int(product.read(Session.scalar, text(words)) or 0)
