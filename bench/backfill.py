"""Table: tenants that are rows in a database, until each has its partition and is ready."""

from collections.abc import Callable, Sequence

from bench import peer_rows
from bench.engines import Engines
from bench.figures import medians, ratios
from bench.peer import StockWorker, raw_rate
from bench.product import Product, installed
from bench.report import show_table
from bench.rounds import interleaved, seconds_until_ready
from webapp.models.partition import Partition
from webapp.operations.service import Operations
from webapp.partitions.dispatcher import Dispatcher
from webapp.partitions.policy import SINGLES_AT_ONCE

RAW_ONE, RAW_FOUR = "raw loop, 1 thread", "raw loop, 4 threads"
STOCK = "stock rq worker: fork, import and client for each job"
SINGLES = "product, a job for each tenant"
PRODUCT = "product, backfill"
# At one a second, more would only take longer.
STOCK_TENANTS = 10


class OneByOne(Dispatcher):
    """Dispatches for each tenant of a backfill by itself, as for a sign-up."""

    def dispatch_chunks(self, rows: Sequence[Partition]) -> bool:
        """Dispatch a job for each; up to SINGLES_AT_ONCE go as single ones."""
        return self.dispatch(rows)


def _stock(engines: Engines) -> float:
    peer = StockWorker(engines)
    numbers = peer_rows.fill(peer.rows, STOCK_TENANTS)

    def enqueue() -> None:
        for number in numbers:
            peer.enqueue(number)

    with peer.working():
        return STOCK_TENANTS / seconds_until_ready(enqueue, peer.count_ready, STOCK_TENANTS)


def _singles(engines: Engines, tenants: int) -> float:
    with installed(engines, chunk_size=SINGLES_AT_ONCE) as product:
        services = product.services
        dispatcher = OneByOne(product.database, services.job_queue, services.policy)
        work = Operations(product.database, services.job_queue, dispatcher, services.policy)
        return _rate(product, lambda: product.backfill(work), tenants)


def _backfill(engines: Engines, tenants: int) -> float:
    with installed(engines) as product:
        return _rate(product, product.backfill, tenants)


def _rate(product: Product, begin: Callable[[], object], tenants: int) -> float:
    product.import_tenants(tenants)
    with product.working():
        return tenants / seconds_until_ready(begin, product.count_ready, tenants)


def measure(engines: Engines, tenants: int, rounds: int) -> None:
    contenders: dict[str, Callable[[], float]] = {
        RAW_ONE: lambda: raw_rate(engines, tenants, threads=1),
        RAW_FOUR: lambda: raw_rate(engines, tenants, threads=4),
        STOCK: lambda: _stock(engines),
        SINGLES: lambda: _singles(engines, tenants),
        PRODUCT: lambda: _backfill(engines, tenants),
    }
    results = interleaved(contenders, rounds)
    rates, relative = medians(results), ratios(results, (RAW_ONE, RAW_FOUR))
    show_table(
        f"1. Backfill of {tenants:,} tenants: rows in a database, until each is ready",
        ("", "tenants/s", "ratio"),
        [(name, f"{rates[name]:,.1f}", f"{relative[name]:.3f}") for name in contenders],
        (
            "ratio: to the best raw loop of the same round, which is the limit; medians of both",
            f"the stock worker ran {STOCK_TENANTS} tenants, its rate does not depend on how many",
            "the product's figures include its database writes, events and logs",
        ),
    )
