"""Whatever dies, every acknowledged tenant ends ready, with nothing done by hand."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis
from pymilvus import MilvusClient

from jobs.milvus import create_collection_if_missing
from tests.acceptance.product import Product, running_product
from tests.engines.lite import LiteServer
from tests.engines.process import wait_until

COLLECTION = "kb_chunks_v1"


@pytest.fixture(scope="module")
def milvus(new_directory: Callable[[str], Path]) -> Iterator[LiteServer]:
    """A Milvus that no supervisor brings back, so that an outage lasts."""
    server = LiteServer(new_directory("lite"))
    server.start()
    create_collection_if_missing(server.uri, "", COLLECTION, 10)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def product(new_directory: Callable[[str], Path], milvus: LiteServer) -> Iterator[Product]:
    """The product with short waits, so that its healing is seen soon."""
    short_waits = {"MILVUS_TIMEOUT": "2", "PARTITION_BACKOFF": "1", "RECONCILE_INTERVAL": "2"}
    with running_product(new_directory("var"), MILVUS_URI=milvus.uri, **short_waits) as running:
        yield running


def partitions(milvus: LiteServer) -> set[str]:
    """What Milvus itself lists, asked with a client of the test's own."""
    client = MilvusClient(milvus.uri)
    try:
        return set(client.list_partitions(COLLECTION))
    finally:
        client.close()


def numbers(product: Product) -> set[int]:
    """The tenants that the database holds."""
    with sqlite3.connect(product.var_dir / "paratia.db", timeout=10) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM tenant")}


def assert_all_ready(product: Product, milvus: LiteServer, tenants: set[int]) -> None:
    """Every tenant ends ready, and has its partition in Milvus."""
    for tenant_id in tenants:
        product.await_state(tenant_id, "ready")
    assert {f"tenant_{number}" for number in tenants} <= partitions(milvus)


def test_tenant_ends_ready_when_web_dies_between_commit_and_ring(
    product: Product, milvus: LiteServer
) -> None:
    before = numbers(product)
    token = product.token
    with product.frozen("redis"):
        # The ring waits for the frozen Redis, so the commit lies behind and the ring ahead.
        request = threading.Thread(target=_post_and_be_cut_off, args=(product, token))
        request.start()
        made = wait_until(lambda: numbers(product) - before, 60, "the row to be committed")
        product.kill("web")
        request.join()
    assert_all_ready(product, milvus, made)


def _post_and_be_cut_off(product: Product, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        httpx.post(f"{product.url}/api/tenants", json={"name": "Cut off"}, headers=headers)
    except httpx.TransportError:
        return


def test_tenant_ends_ready_when_worker_dies_in_the_middle_of_its_job(
    product: Product, milvus: LiteServer
) -> None:
    milvus.freeze()
    try:
        tenant_id = product.create()["id"]
        product.await_state(tenant_id, "provisioning")
        product.kill("worker")
    finally:
        milvus.thaw()
    assert_all_ready(product, milvus, {tenant_id})


def test_tenants_end_ready_when_redis_is_flushed_with_their_jobs_in_it(
    product: Product, milvus: LiteServer
) -> None:
    with product.frozen("worker"):
        tenants = {product.create()["id"] for _ in range(10)}
        redis.Redis(unix_socket_path=str(product.var_dir / "redis.sock")).flushall()
    assert_all_ready(product, milvus, tenants)


def test_tenants_end_ready_when_milvus_was_down_for_all_their_attempts(
    product: Product, milvus: LiteServer
) -> None:
    milvus.stop()
    tenants = {product.create()["id"] for _ in range(10)}
    for tenant_id in tenants:
        failed = product.await_state(tenant_id, "failed", within_s=120)
        assert failed["partition"]["attempts"] == 3
        assert failed["partition"]["cause"] == "milvus_unreachable"
    milvus.start()
    assert_all_ready(product, milvus, tenants)
