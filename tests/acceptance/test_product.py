"""What the product promises, seen from outside: API, commands, script, logs and summary."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from pymilvus import MilvusClient

from jobs.milvus.client import create_collection_if_missing
from tests.acceptance.product import Product
from tests.acceptance.running import ROOT
from tests.engines.process import wait_until

COLLECTION = "kb_chunks_v1"
ADOPTED, IMPORTED = 3, 25


@pytest.fixture(scope="module")
def milvus(product: Product) -> Iterator[MilvusClient]:
    """A client of the test's own on the product's Milvus."""
    client = MilvusClient(product.environment["MILVUS_URI"])
    yield client
    client.close()


def test_a_sign_up_is_provisioned_logged_and_proven(product: Product, milvus: MilvusClient) -> None:
    headers = {"X-Request-ID": "req-acceptance-1"}
    answer = product.api("POST", "/api/tenants", json={"name": "Acme S.p.A."}, headers=headers)
    tenant = answer.json()
    number, partition = tenant["id"], f"tenant_{tenant['id']}"
    assert (tenant["status"], tenant["slug"][:11]) == ("active", "acme-s-p-a")
    assert {"collection": COLLECTION, "name": partition}.items() <= tenant["partition"].items()
    ready = product.await_state(number, "ready")["partition"]
    assert (ready["result"], ready["provider"], ready["attempts"]) == ("created", "sdk", 1)
    assert milvus.has_partition(COLLECTION, partition)

    job = {"job_id": f"t{number}-g1-d1", "attempt": 1, "request_id": "req-acceptance-1"}
    told = {"tenant_id": number, "partition": partition, "collection": COLLECTION, **job}
    for event in ("milvus.partition.creating", "milvus.partition.created"):
        (entry,) = [e for e in product.logged("worker", event) if e["tenant_id"] == number]
        assert told.items() <= entry.items()
    assert entry["provider"] == "sdk"
    assert entry["duration_ms"] >= 0

    wait_until(lambda: len(product.events(number)) == 4, 60, "four events")
    names = [event["event"].rpartition(".")[2] for event in product.events(number)]
    assert names[0] == "requested"
    assert sorted(names) == ["created", "creating", "dispatched", "requested"]

    command = [sys.executable, "create_milvus_partition.py", "--collection", COLLECTION]
    command += ["--uri", product.environment["MILVUS_URI"], "--partition", partition]
    by_hand = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(by_hand.stdout)["result"] == "already_exists"


def test_backfill_makes_what_is_missing_and_adopts_what_is_there(
    product: Product, milvus: MilvusClient, tmp_path: Path
) -> None:
    first = product.create()["id"] + 100
    numbers = list(range(first, first + IMPORTED))
    for number in numbers[:ADOPTED]:
        milvus.create_partition(COLLECTION, f"tenant_{number}")
    with (tmp_path / "tenants.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["id", "name", "slug"])
        writer.writerows([[number, f"Old {number}", f"old-{number}"] for number in numbers])
    product.flask("tenants", "import", str(tmp_path / "tenants.csv"))
    assert product.tenant(first)["partition"] is None

    done = json.loads(product.flask("partitions", "backfill", "--wait", "--json").stdout)
    assert (done["dispatched"], done["ready"], done["failed"]) == (IMPORTED, IMPORTED, 0)
    results = [product.tenant(number)["partition"]["result"] for number in numbers]
    assert results == ["already_exists"] * ADOPTED + ["created"] * (IMPORTED - ADOPTED)
    assert {f"tenant_{number}" for number in numbers} <= set(milvus.list_partitions(COLLECTION))


def test_summary_counts_and_knows_the_headroom(product: Product) -> None:
    product.await_state(product.create()["id"], "ready")

    def observed() -> bool:
        summary = product.api("GET", "/api/partitions/summary").json()
        return COLLECTION in json.dumps(summary) and '"observed_at": "2' in json.dumps(summary)

    wait_until(observed, 60, "the sweep to observe the collection")
    ready = product.api("GET", "/readyz").json()
    assert (ready["database"], ready["redis"], ready["milvus"]["status"]) == ("ok", "ok", "ok")


def test_missing_collection_fails_at_once_and_another_one_waits_for_a_decision(
    product: Product, milvus: MilvusClient
) -> None:
    before = product.create()["id"]
    product.await_state(before, "ready")
    milvus.drop_collection(COLLECTION)
    number = product.create()["id"]
    failed = product.await_state(number, "failed")["partition"]
    assert (failed["cause"], failed["attempts"]) == ("collection_missing", 1)
    product.await_state(before, "missing")
    create_collection_if_missing(product.environment["MILVUS_URI"], "", COLLECTION, 10)

    def is_replaced() -> bool:
        brakes = product.api("GET", "/api/partitions/brakes").json()["items"]
        return [each["reason"] for each in brakes] == ["collection_replaced"]

    # Nothing is made in another collection of that name before an operator has decided.
    wait_until(is_replaced, 60, "the brake")
    product.await_state(number, "pending")
    decided = product.api("POST", f"/api/collections/{COLLECTION}/make-again")
    assert decided.status_code == 202
    for each in (before, number):
        wait_until(partial(milvus.has_partition, COLLECTION, f"tenant_{each}"), 60, "all there")
        product.await_state(each, "ready")
