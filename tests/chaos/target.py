"""The product under test: `make run` on a Milvus, a network and a database that can be broken."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from jobs.milvus.client import create_collection_if_missing
from tests.acceptance.product import Product, running_product
from tests.chaos.records import COLLECTION, Partitions, Records
from tests.engines.lite import LiteServer
from tests.engines.postgres import SparePostgres
from tests.engines.proxy import Proxy
from tests.engines.standalone import StandaloneServer

PARTITIONS = 4096
DATABASE = "paratia"
# What a deployment must set that has a database of its own.
SECRET_KEY = "only-for-this-run-only-for-this-run"


@dataclass(frozen=True)
class Target:
    """A running product, and whatever can be done to it."""

    product: Product
    database: Records
    # Milvus itself; the product reaches it through the network.
    milvus: LiteServer | StandaloneServer
    partitions: Partitions
    network: Proxy
    # A way to the web processes on which answers can be cut.
    front: Proxy
    postgres: SparePostgres | None
    random: Random


@dataclass(frozen=True)
class Ground:
    """What a product is started on; it outlives the product."""

    folder: Path
    milvus: LiteServer | StandaloneServer
    network: Proxy
    postgres: SparePostgres | None
    database_url: str
    random: Random

    @contextmanager
    def running(self, **settings: str) -> Iterator[Target]:
        """The product, serving, with these settings beside those of the ground."""
        settings = {
            "MILVUS_URI": f"http://127.0.0.1:{self.network.port}",
            "MILVUS_MAX_PARTITIONS": "100000",
        } | settings
        if self.postgres:
            settings |= {"DATABASE_URL": self.database_url, "SECRET_KEY": SECRET_KEY}
        with (
            running_product(self.folder / "var", **settings) as product,
            Proxy(("127.0.0.1", product.run.port)) as front,
        ):
            yield Target(
                product=product,
                database=Records(self.database_url),
                milvus=self.milvus,
                partitions=Partitions(self.milvus.uri),
                network=self.network,
                front=front,
                postgres=self.postgres,
                random=self.random,
            )


@contextmanager
def ground(database: str, random: Random, engine: str = "lite") -> Iterator[Ground]:
    """Milvus, network and database, stopped and removed at the end, whatever ends the block."""
    with ExitStack() as held:
        folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("var", "milvus", "postgres"):
            (folder / name).mkdir()
        milvus = _milvus(engine, folder / "milvus")
        held.callback(milvus.stop)
        milvus.start()
        create_collection_if_missing(milvus.uri, "", COLLECTION, 30)
        postgres, url = None, f"sqlite:///{folder / 'var' / 'paratia.db'}"
        if database == "postgresql":
            postgres, url = _postgres(folder, held)
        network = held.enter_context(Proxy(("127.0.0.1", milvus.port)))
        yield Ground(folder, milvus, network, postgres, url, random)


def _milvus(engine: str, folder: Path) -> LiteServer | StandaloneServer:
    if engine == "standalone":
        return StandaloneServer(folder, max_partitions=PARTITIONS)
    return LiteServer(folder)


def _postgres(folder: Path, held: ExitStack) -> tuple[SparePostgres, str]:
    server = SparePostgres(folder / "postgres")
    held.callback(server.stop)
    server.start()
    server.execute(f"CREATE DATABASE {DATABASE}")
    return server, server.url(DATABASE)


@contextmanager
def target(
    database: str, random: Random, engine: str = "lite", **settings: str
) -> Iterator[Target]:
    with ground(database, random, engine) as under, under.running(**settings) as running:
        yield running
