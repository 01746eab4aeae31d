"""Table: a backfill whose partitions, or whose tenants too, are all there already."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.engines import CALL_TIMEOUT_S, Engines
from bench.figures import medians
from bench.peer import raw_loop
from bench.product import installed
from bench.report import show_table
from bench.rounds import interleaved, seconds_until_ready

ASK_ONE, ASK_FOUR = "has_partition each, 1 thread", "has_partition each, 4 threads"
ASK_ONCE = "one list_partitions and a difference"
READY = "product, backfill: every tenant is ready"
UNKNOWN = "product, backfill: every partition exists, no tenant is known to be ready"


def measure(engines: Engines, tenants: int, rounds: int) -> None:
    collection = engines.fresh_collection()
    numbers = range(1, tenants + 1)
    raw_loop(engines, collection, numbers, threads=4)

    def adopt() -> float:
        with installed(engines, collection) as product:
            product.import_tenants(tenants)
            with product.working():
                return seconds_until_ready(product.backfill, product.count_ready, tenants)

    with installed(engines, collection) as settled:
        settled.import_tenants(tenants)
        with settled.working():
            seconds_until_ready(settled.backfill, settled.count_ready, tenants)
        contenders: dict[str, Callable[[], float]] = {
            ASK_ONE: lambda: _ask_each(engines, collection, numbers, threads=1),
            ASK_FOUR: lambda: _ask_each(engines, collection, numbers, threads=4),
            ASK_ONCE: lambda: _ask_once(engines, collection, numbers),
            UNKNOWN: adopt,
            READY: lambda: _timed(settled.backfill),
        }
        results = medians(interleaved(contenders, rounds))
    show_table(
        f"2. Backfill of {tenants:,} tenants with nothing to create",
        ("", "milliseconds"),
        [(name, f"{1000 * results[name]:,.1f}") for name in contenders],
        (
            "where no tenant is known to be ready, the product also writes each one's row and",
            "events; where all are, its command asks its database alone",
        ),
    )


def _ask_each(engines: Engines, collection: str, numbers: Sequence[int], threads: int) -> float:
    with engines.client() as client, ThreadPoolExecutor(threads) as callers:

        def ask(number: int) -> bool:
            name = f"tenant_{number}"
            return bool(client.has_partition(collection, name, timeout=CALL_TIMEOUT_S))

        return _timed(lambda: list(callers.map(ask, numbers)))


def _ask_once(engines: Engines, collection: str, numbers: Sequence[int]) -> float:
    wanted = {f"tenant_{number}" for number in numbers}
    with engines.client() as client:
        return _timed(
            lambda: wanted.difference(client.list_partitions(collection, timeout=CALL_TIMEOUT_S))
        )


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started
