"""Table: a backfill whose partitions, or whose tenants too, are all there already."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.contenders import PRODUCT, Installs, contenders
from bench.engines import CALL_TIMEOUT_S, Engines
from bench.figures import Measured
from bench.options import Options
from bench.product import installed
from bench.raw import raw_loop
from bench.rounds import interleaved
from bench.table import Table, milliseconds

ASK_ONE, ASK_FOUR = "has_partition each, 1 thread", "has_partition each, 4 threads"
ASK_ONCE = "one list_partitions and a difference"
READY = "product, every tenant is known to be ready"


def measure(engines: Engines, options: Options) -> Table:
    tenants = options.tenants
    collection = engines.fresh_collection()
    numbers = range(1, tenants + 1)
    with engines.client() as client:
        raw_loop(client, collection, numbers, threads=4)
    with installed(engines, collection) as settled:
        settled.import_tenants(tenants)
        with settled.working(1):
            settled.seconds_until_ready(settled.backfill, tenants)
        everybody: dict[str, Callable[[], Measured]] = {
            ASK_ONE: lambda: _ask_each(engines, collection, numbers, threads=1),
            ASK_FOUR: lambda: _ask_each(engines, collection, numbers, threads=4),
            ASK_ONCE: lambda: _ask_once(engines, collection, numbers),
            **{
                name: partial(_adopt, install, collection, tenants)
                for name, install in contenders(engines, with_fork=False).items()
            },
            READY: lambda: _timed(settled.backfill),
        }
        rounds = interleaved(everybody, options.rounds)
    return Table.of_rounds(
        "nothing-to-do",
        f"Backfill of {tenants:,} tenants whose partitions exist; none is known to be ready",
        rounds,
        (milliseconds("seconds", "milliseconds"),),
        (
            f"peers and {PRODUCT}: one worker, until each row says ready; a peer asks for each",
            "partition alone, the product also looks for rows in it that are not its tenant's",
        ),
    )


def _adopt(install: Installs, collection: str, tenants: int) -> Measured:
    with install(collection) as contender:
        contender.import_tenants(tenants)
        with contender.working(1):
            contender.warm_up()
            return {"seconds": contender.seconds_until_ready(contender.backfill, tenants)}


def _ask_each(engines: Engines, collection: str, numbers: Sequence[int], threads: int) -> Measured:
    with engines.client() as client, ThreadPoolExecutor(threads) as callers:

        def ask(number: int) -> bool:
            name = f"tenant_{number}"
            return bool(client.has_partition(collection, name, timeout=CALL_TIMEOUT_S))

        return _timed(lambda: list(callers.map(ask, numbers)))


def _ask_once(engines: Engines, collection: str, numbers: Sequence[int]) -> Measured:
    wanted = {f"tenant_{number}" for number in numbers}
    with engines.client() as client:
        return _timed(
            lambda: wanted.difference(client.list_partitions(collection, timeout=CALL_TIMEOUT_S))
        )


def _timed(work: Callable[[], object]) -> Measured:
    started = time.monotonic()
    work()
    return {"seconds": time.monotonic() - started}
