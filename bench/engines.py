"""The engines that all contenders of a run share, and whatever else it starts and stops."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from bench.databases import Databases, databases
from bench.processes import running
from tests.engines.lite import LiteServer
from tests.engines.redis import RedisServer
from tests.engines.standalone import StandaloneServer
from tests.milvus_collections import make_collection

CALL_TIMEOUT_S = 10.0
FIRST_CREATION_WITHIN_S = 60.0


@dataclass(frozen=True)
class Engines:
    """One Redis, Milvus and database server for all contenders."""

    engine: str
    folder: Path
    redis_url: str
    milvus_uri: str
    max_partitions: int
    databases: Databases

    def fresh_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))

    def fresh_collection(self) -> str:
        """A new collection without partitions: each creation costs more the more there are."""
        return make_collection(self.milvus_uri)

    @contextmanager
    def client(self) -> Iterator[Any]:
        from pymilvus import MilvusClient

        client = MilvusClient(self.milvus_uri, timeout=CALL_TIMEOUT_S, dedicated=True)
        try:
            yield client
        finally:
            client.close()

    def milvus_version(self) -> str:
        with self.client() as client:
            return f"Milvus {self.engine} {client.get_server_version()}"

    def redis_version(self) -> str:
        with Redis.from_url(self.redis_url) as client:
            return str(client.info("server")["redis_version"])


@contextmanager
def started(engine: str, database: str, tenants: int) -> Iterator[Engines]:
    """Redis, Milvus and the database, with room for so many tenants in a collection.

    All is stopped and every file removed at the end, whatever ends the run.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        max_partitions = tenants + 64
        for name in ("redis", "milvus", "database"):
            (folder / name).mkdir()
        redis = RedisServer(folder / "redis")
        milvus = _milvus(engine, folder / "milvus", max_partitions)
        # Standalone takes over 15 s to stop by itself, and nobody needs its data.
        with (
            running(redis),
            running(milvus, kill=True),
            databases(database, folder / "database") as rows,
        ):
            engines = Engines(engine, folder, redis.url, milvus.uri, max_partitions, rows)
            _await_first_creation(engines)
            yield engines
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _milvus(engine: str, folder: Path, max_partitions: int) -> LiteServer | StandaloneServer:
    if engine == "lite":
        return LiteServer(folder)
    return StandaloneServer(folder, max_partitions=max_partitions)


def _await_first_creation(engines: Engines) -> None:
    """A server's health answers before its first creation does."""
    give_up_at = time.monotonic() + FIRST_CREATION_WITHIN_S
    while True:
        try:
            collection = engines.fresh_collection()
            with engines.client() as client:
                client.create_partition(collection, "warm", timeout=CALL_TIMEOUT_S)
        except Exception:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.2)
        else:
            return
