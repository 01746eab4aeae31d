"""The limit: the bare calls, from threads of this process."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from bench.contender import WARMING
from bench.engines import CALL_TIMEOUT_S, Engines
from bench.figures import Measured
from bench.peers.rows import Rows

ONE, FOUR = "raw loop, 1 thread", "raw loop, 4 threads"


def raw_loop(client: Any, collection: str, numbers: Sequence[int], threads: int) -> None:
    """Create the partitions of these tenants, as fast as so many threads can."""
    with ThreadPoolExecutor(threads) as callers:

        def create(number: int) -> None:
            client.create_partition(collection, f"tenant_{number}", timeout=CALL_TIMEOUT_S)

        list(callers.map(create, numbers))


def raw_rate(engines: Engines, tenants: int, threads: int) -> Measured:
    """Tenants a second of the raw loop; its rows are marked together at the end."""
    collection = engines.fresh_collection()
    with closing(Rows(engines.databases.fresh())) as rows, engines.client() as client:
        rows.fill(tenants)
        # As workers do a few jobs before they are measured; a new collection is slow at first.
        raw_loop(client, collection, range(tenants + 1, tenants + 1 + WARMING), threads)
        started = time.monotonic()
        raw_loop(client, collection, rows.waiting(), threads)
        rows.mark_all_ready()
        return {"rate": tenants / (time.monotonic() - started)}


def raw_sign_ups(engines: Engines, sign_ups: int) -> list[float]:
    """Seconds that each of so many tenants took: a row, its partition, the row marked."""
    collection, taken = engines.fresh_collection(), []
    with closing(Rows(engines.databases.fresh())) as rows, engines.client() as client:
        for number in range(sign_ups):
            started = time.monotonic()
            tenant = rows.insert("Tenant", f"tenant-{number}")
            client.create_partition(collection, f"tenant_{tenant}", timeout=CALL_TIMEOUT_S)
            rows.mark_ready(tenant)
            taken.append(time.monotonic() - started)
    return taken
