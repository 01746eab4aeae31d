"""The peers: the raw loop in this process, and a stock `rq worker` beside it."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

from redis import Redis
from rq import Queue

from bench import peer_rows
from bench.engines import CALL_TIMEOUT_S, ROOT, Engines
from bench.processes import queue_worker


def raw_loop(engines: Engines, collection: str, numbers: Sequence[int], threads: int) -> None:
    """Create the partitions of these tenants, as fast as so many threads can."""
    with engines.client() as client, ThreadPoolExecutor(threads) as callers:

        def create(number: int) -> None:
            client.create_partition(collection, f"tenant_{number}", timeout=CALL_TIMEOUT_S)

        list(callers.map(create, numbers))


def raw_rate(engines: Engines, tenants: int, threads: int) -> float:
    """Tenants a second of the raw loop; its rows are marked together at the end."""
    collection = engines.fresh_collection()
    connection = peer_rows.connect(engines.fresh_folder() / "peer.db")
    peer_rows.fill(connection, tenants)
    started = time.monotonic()
    numbers = [row[0] for row in connection.execute("SELECT id FROM tenant")]
    raw_loop(engines, collection, numbers, threads)
    peer_rows.mark_ready(connection, numbers)
    seconds = time.monotonic() - started
    connection.close()
    return tenants / seconds


class StockWorker:
    """A database, a queue and one `rq worker`, which forks for each job."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._folder = engines.fresh_folder()
        self._collection = engines.fresh_collection()
        self._database = str(self._folder / "peer.db")
        self._queue = Queue(f"peer-{uuid4().hex}", connection=Redis.from_url(engines.redis_url))
        self.rows: sqlite3.Connection = peer_rows.connect(self._database)

    def enqueue(self, number: int) -> None:
        arguments = (self._database, self._engines.milvus_uri, self._collection, number)
        self._queue.enqueue("bench.peer_jobs.provision", *arguments)

    def count_ready(self) -> int:
        return peer_rows.count_ready(self.rows)

    @contextmanager
    def working(self) -> Iterator[None]:
        words = ["rq", "worker", "-u", self._engines.redis_url, "-P", str(ROOT), self._queue.name]
        log = self._folder / "worker.log"
        try:
            with queue_worker(words, self._queue.name, self._queue.connection, log):
                yield
        finally:
            self.rows.close()
            self._queue.connection.close()
