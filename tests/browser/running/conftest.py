"""One running product for the stories that need its workers, and ways to break its Milvus."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from pymilvus import MilvusClient

from jobs.milvus.client import create_collection_if_missing
from tests.acceptance.product import Product, running_product
from tests.engines.lite import LiteServer
from tests.engines.process import wait_until
from tests.engines.proxy import Mode, Proxy

COLLECTION = "kb_chunks_v1"


class Outage(Protocol):
    def __call__(self, mode: Mode = Mode.REFUSE) -> contextlib.AbstractContextManager[None]:
        """The block."""


@pytest.fixture(scope="package")
def lite(new_directory: Callable[[str], Path]) -> Iterator[LiteServer]:
    server = LiteServer(new_directory("lite"))
    server.start()
    create_collection_if_missing(server.uri, "", COLLECTION, 30)
    yield server
    server.stop()


@pytest.fixture(scope="package")
def network(lite: LiteServer) -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", lite.port)) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def product(new_directory: Callable[[str], Path], network: Proxy) -> Iterator[Product]:
    """The product with a single attempt, and nobody who repairs what failed meanwhile."""
    settings = {"PARTITION_ATTEMPTS": "1", "MILVUS_TIMEOUT": "2", "RECONCILE_INTERVAL": "600"}
    address = f"http://127.0.0.1:{network.port}"
    with running_product(new_directory("panel"), MILVUS_URI=address, **settings) as running:
        yield running


@pytest.fixture
def site(product: Product) -> Product:
    return product


@pytest.fixture
def milvus_without(product: Product, network: Proxy) -> Outage:
    """Milvus refuses every connection, or hangs, while the block runs; then it answers again."""

    @contextlib.contextmanager
    def outage(mode: Mode = Mode.REFUSE) -> Iterator[None]:
        network.switch(mode)
        try:
            yield
        finally:
            network.switch(Mode.PASS)
            await_service(product)

    return outage


def await_service(product: Product) -> None:
    """Wait until a tenant is provisioned; that closes the circuit and ends its count."""
    number = product.create("Well")["id"]

    def is_ready() -> bool:
        status = product.tenant(number)["partition"]["status"]
        if status == "failed":
            product.api("POST", f"/api/tenants/{number}/retry")
        return bool(status == "ready")

    wait_until(is_ready, 60, "Milvus to serve the product again")


@pytest.fixture
def failed(product: Product, milvus_without: Outage) -> Callable[..., list[int]]:
    """Makes at most two tenants whose only attempt fails, because Milvus cannot be reached.

    A third failure in a row would open the circuit, and then nobody is asked for a while.
    """

    def make(*names: str) -> list[int]:
        assert len(names) <= 2
        with milvus_without():
            numbers = [product.create(name)["id"] for name in names]
            for number in numbers:
                product.await_state(number, "failed")
        return numbers

    return make


@pytest.fixture
def foreign(product: Product, milvus: MilvusClient) -> Iterator[Callable[[str], int]]:
    """Makes a tenant whose partition holds pre-existing rows; takes it and them away at the end."""
    made: list[int] = []

    def make(name: str) -> int:
        number: int = product.create(f"{name} before")["id"] + 1
        milvus.create_partition(COLLECTION, f"tenant_{number}")
        rows = [{"text": "old", "vector": [0.1] * 1536}] * 5
        milvus.insert(COLLECTION, rows, partition_name=f"tenant_{number}")
        assert product.create(name)["id"] == number
        product.await_state(number, "failed")
        made.append(number)
        return number

    yield make
    for number in made:
        product.api("DELETE", f"/api/tenants/{number}")
        milvus.drop_partition(COLLECTION, f"tenant_{number}")


@pytest.fixture(scope="package")
def milvus(lite: LiteServer) -> Iterator[MilvusClient]:
    """A client of the tests' own on the product's Milvus."""
    client = MilvusClient(lite.uri)
    yield client
    client.close()
