"""Programs of the virtual environment, running until their block ends."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from bench.engines import ROOT, running
from tests.engines.process import ServerProcess, accepts

BIN = Path(sys.executable).parent


@contextmanager
def queue_worker(
    words: Sequence[str],
    queue: str,
    connection: "Redis",
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """A program with these words, from when it waits for jobs of the queue."""
    key = f"rq:workers:{queue}"
    server = ServerProcess(
        command=[str(BIN / words[0]), *words[1:]],
        log=log,
        answers=lambda: bool(connection.scard(key)),
        environment=dict(environment) if environment else None,
        cwd=ROOT,
    )
    with running(server):
        yield


@contextmanager
def gunicorn(
    words: Sequence[str], port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """`gunicorn` with these words, from when it listens on the port."""
    server = ServerProcess(
        command=[str(BIN / "gunicorn"), *words],
        log=log,
        answers=lambda: accepts(port),
        environment=dict(environment) if environment else None,
        cwd=ROOT,
    )
    with running(server):
        yield
