"""The peers: their workers as they are documented, and the application that gives them work."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast
from uuid import uuid4

from bench.contender import Contender
from bench.engines import Engines
from bench.environment import BIN
from bench.peers.rows import Rows
from bench.processes import ROOT, Workers, workers


@dataclass(frozen=True)
class Kind:
    """A peer: what it is called, its module in `bench.peers`, and its worker.

    `says` stands in the worker's log once it waits for jobs.
    """

    name: str
    app: str
    worker: tuple[str, ...]
    says: str


_RQ = ("rq", "worker", "--url", "{redis}", "--path", str(ROOT), "--name", "{queue}-{number}")
RQ = Kind("RQ, rq worker: a fork for each job", "rq_app", (*_RQ, "{queue}"), "Listening on")
RQ_SIMPLE = Kind(
    "RQ, SimpleWorker: no fork",
    "rq_app",
    (*_RQ, "--worker-class", "rq.SimpleWorker", "{queue}"),
    "Listening on",
)
CELERY = Kind(
    "Celery, 8 threads",
    "celery_app",
    (
        *("celery", "--app", "bench.peers.celery_app", "worker", "--loglevel", "INFO"),
        # Processes, its default, and its default of 4 messages in hand were slower. Far more
        # messages would leave a second worker without work.
        *("--pool", "threads", "--concurrency", "8", "--prefetch-multiplier", "16"),
        *("--hostname", "w{number}@%h"),
    ),
    " ready.",
)
HUEY = Kind(
    "huey, 8 threads",
    "huey_app",
    ("huey_consumer", "bench.peers.huey_app.huey", "-k", "thread", "-w", "8"),
    "Huey consumer started",
)


class Peer(Contender):
    """One peer with a database, a queue and a collection of its own."""

    def __init__(self, engines: Engines, kind: Kind, collection: str | None) -> None:
        self._kind = kind
        self._folder = engines.fresh_folder()
        self._words = {"redis": engines.redis_url, "queue": f"peer-{uuid4().hex}"}
        database = engines.databases.fresh()
        self._environment = os.environ | {
            "BENCH_DATABASE": database,
            "BENCH_MILVUS": engines.milvus_uri,
            "BENCH_COLLECTION": collection or engines.fresh_collection(),
            "BENCH_REDIS": self._words["redis"],
            "BENCH_QUEUE": self._words["queue"],
            "PYTHONPATH": str(ROOT),
        }
        self._rows = Rows(database)
        self._application = subprocess.Popen(
            [str(BIN / "python"), "-m", "bench.peers.application", kind.app],
            env=self._environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._await("started")

    def import_tenants(self, tenants: int) -> None:
        self._tell(f"fill {tenants}")

    def backfill(self) -> None:
        self._tell("backfill")

    def sign_up(self) -> None:
        self._tell("sign_up")

    def count_ready(self) -> int:
        return self._rows.count_ready()

    @contextmanager
    def working(self, count: int) -> Iterator[Workers]:
        program, *words = self._kind.worker
        values = self._words | {"number": "{number}"}
        command = [str(BIN / program), *(word.format_map(values) for word in words)]

        def is_ready(log: Path, _number: int) -> bool:
            return self._kind.says in log.read_text()

        with workers(command, count, self._folder, is_ready, self._environment) as group:
            yield group

    def close(self) -> None:
        self._application.communicate()
        self._rows.close()

    def _tell(self, line: str) -> None:
        print(line, file=self._application.stdin, flush=True)
        self._await("done")

    def _await(self, word: str) -> None:
        answers = cast(IO[str], self._application.stdout)
        if answers.readline().strip() != word:
            raise RuntimeError(f"the application of {self._kind.name} ended")
