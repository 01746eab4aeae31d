"""What a failing Milvus looks like: attempts, causes, families, retries, and going on by itself."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from jobs.milvus.client import create_collection_if_missing
from pymilvus import MilvusClient

from tests.acceptance.product import Product, running_product
from tests.engines.lite import LiteServer
from tests.engines.process import wait_until

COLLECTION = "kb_chunks_v1"
BACKOFF_S = 2


@pytest.fixture(scope="module")
def milvus(new_directory: Callable[[str], Path]) -> Iterator[LiteServer]:
    """A Milvus that the tests may stop."""
    server = LiteServer(new_directory("lite"))
    server.start()
    create_collection_if_missing(server.uri, "", COLLECTION, 10)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def product(new_directory: Callable[[str], Path], milvus: LiteServer) -> Iterator[Product]:
    """The product with a short pause between attempts, and a sweep that stays out of the way."""
    with running_product(
        new_directory("var"),
        MILVUS_URI=milvus.uri,
        MILVUS_TIMEOUT="2",
        PARTITION_BACKOFF=str(BACKOFF_S),
        RECONCILE_INTERVAL="4",
    ) as running:
        yield running


def test_three_attempts_apart_then_failed_then_ready_by_itself_when_milvus_returns(
    product: Product, milvus: LiteServer
) -> None:
    milvus.stop()
    tenant_id = product.create()["id"]
    failed = product.await_state(tenant_id, "failed")["partition"]
    assert (failed["cause"], failed["attempts"]) == ("milvus_unreachable", 3)

    events = product.events(tenant_id)
    starts = _times(events, "milvus.partition.creating")
    ends = _times(events, "milvus.partition.create_failed")
    assert (len(starts), len(ends)) == (3, 3)
    for start, end in zip(starts[1:], ends, strict=False):
        assert (start - end).total_seconds() >= BACKOFF_S
    assert len(product.logged("worker", "milvus.partition.create_failed")) == 3
    assert len(product.logged("worker", "milvus.partition.fallback")) == 3

    families = json.loads(product.flask("partitions", "failed", "--json").stdout)
    assert [(family["cause"], family["tenants"]) for family in families] == [
        ("milvus_unreachable", 1)
    ]
    milvus.start()
    assert product.await_state(tenant_id, "ready")["partition"]["cause"] is None
    assert product.events(tenant_id)[-1]["event"] == "milvus.partition.created"


def _times(events: list[dict[str, str]], name: str) -> list[datetime]:
    return [datetime.fromisoformat(event["at"]) for event in events if event["event"] == name]


def test_missing_collection_fails_at_once_and_goes_on_when_it_exists(
    product: Product, milvus: LiteServer
) -> None:
    client = MilvusClient(milvus.uri)
    client.drop_collection(COLLECTION)
    tenant_id = product.create()["id"]
    failed = product.await_state(tenant_id, "failed")["partition"]
    assert (failed["cause"], failed["attempts"]) == ("collection_missing", 1)
    create_collection_if_missing(milvus.uri, "", COLLECTION, 10)
    # Those of before had theirs in the collection that is gone: the sweep makes them again.
    for number in range(1, tenant_id + 1):
        wait_until(partial(client.has_partition, COLLECTION, f"tenant_{number}"), 60, "all there")
        product.await_state(number, "ready")
    client.close()


def test_retry_gives_all_attempts_again_when_a_human_asks(
    product: Product, milvus: LiteServer
) -> None:
    milvus.stop()
    tenants = [product.create()["id"] for _ in range(2)]
    for tenant_id in tenants:
        product.await_state(tenant_id, "failed")
    dry = product.flask("partitions", "retry", "--cause", "milvus_unreachable", "--dry-run")
    assert dry.stdout.startswith("2 would be dispatched")
    again = product.api("POST", f"/api/tenants/{tenants[0]}/retry")
    assert again.status_code == 202
    assert again.json()["partition"]["attempts"] == 0
    milvus.start()
    product.flask("partitions", "retry", "--all")
    for tenant_id in tenants:
        product.await_state(tenant_id, "ready")
    refused = product.api("POST", f"/api/tenants/{tenants[0]}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_failed")
