"""What the product promises, seen from outside: API, form, commands, script and logs."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymilvus import MilvusClient

from tests.acceptance.product import Product, csrf_token
from tests.acceptance.running import ROOT
from tests.engines.process import wait_until

COLLECTION = "kb_chunks_v1"


@pytest.fixture(scope="module")
def milvus(product: Product) -> Iterator[MilvusClient]:
    """A client of the test's own on the product's Milvus."""
    client = MilvusClient(product.config()["MILVUS_URI"])
    yield client
    client.close()


def imported(product: Product, folder: Path, numbers: list[int]) -> None:
    """Take over tenants with these numbers by the command line."""
    file = folder / "tenants.csv"
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["id", "name", "slug"])
        writer.writerows([[number, f"Old {number}", f"old-{number}"] for number in numbers])
    product.flask("tenants", "import", str(file))


def highest(product: Product) -> int:
    """A tenant's number above which none is in use."""
    return int(product.create()["id"])


def test_partition_is_ready_when_tenant_is_posted(product: Product, milvus: MilvusClient) -> None:
    tenant = product.create("Acme S.p.A.")
    assert tenant["status"] == "active"
    assert tenant["slug"].startswith("acme-s-p-a")
    routing = {"collection": COLLECTION, "name": f"tenant_{tenant['id']}"}
    assert routing.items() <= tenant["partition"].items()
    ready = product.await_state(tenant["id"], "ready")["partition"]
    assert (ready["result"], ready["provider"], ready["attempts"]) == ("created", "sdk", 1)
    assert milvus.has_partition(COLLECTION, routing["name"])


def test_partition_is_ready_when_tenant_is_made_in_the_form(
    product: Product, milvus: MilvusClient
) -> None:
    with product.browser() as browser:
        page = browser.get("/admin/tenant/new/").text
        form = {"name": "By form", "slug": "by-form", "csrf_token": csrf_token(page)}
        answer = browser.post("/admin/tenant/new/", data=form)
    assert answer.url.path == "/admin/tenant/details/", answer.text
    tenant_id = int(answer.url.params["id"])
    product.await_state(tenant_id, "ready")
    assert milvus.has_partition(COLLECTION, f"tenant_{tenant_id}")


def test_log_tells_the_story_of_a_tenant_from_request_to_proof(product: Product) -> None:
    headers = {"X-Request-ID": "req-acceptance-1"}
    answer = product.api("POST", "/api/tenants", json={"name": "Traced"}, headers=headers)
    tenant_id = answer.json()["id"]
    product.await_state(tenant_id, "ready")
    for event in ("milvus.partition.creating", "milvus.partition.created"):
        mine = [e for e in product.logged("worker", event) if e["tenant_id"] == tenant_id]
        assert len(mine) == 1
        assert mine[0]["partition"] == f"tenant_{tenant_id}"
        assert mine[0]["collection"] == COLLECTION
        assert mine[0]["job_id"] == f"t{tenant_id}-g1-d1"
        assert mine[0]["attempt"] == 1
        assert mine[0]["request_id"] == "req-acceptance-1"
    assert mine[0]["provider"] == "sdk"
    assert mine[0]["duration_ms"] >= 0


def test_timeline_holds_request_dispatch_attempt_and_proof(product: Product) -> None:
    tenant_id = product.create()["id"]
    product.await_state(tenant_id, "ready")
    wait_until(lambda: len(product.events(tenant_id)) == 4, 60, "four events")
    names = [event["event"] for event in product.events(tenant_id)]
    assert names[0] == "milvus.partition.requested"
    assert names[-1] in {"milvus.partition.created", "milvus.partition.dispatched"}
    assert set(names) == {
        f"milvus.partition.{name}" for name in ("requested", "dispatched", "creating", "created")
    }


def test_backfill_makes_what_is_missing_and_adopts_what_is_there(
    product: Product, milvus: MilvusClient, tmp_path: Path
) -> None:
    first = highest(product) + 100
    numbers = list(range(first, first + 25))
    for number in numbers[:3]:
        milvus.create_partition(COLLECTION, f"tenant_{number}")
    imported(product, tmp_path, numbers)
    assert product.tenant(first)["partition"] is None

    planned = json.loads(product.flask("partitions", "backfill", "--dry-run", "--json").stdout)
    assert planned["dispatched"] == 25
    assert product.tenant(first)["partition"] is None

    done = json.loads(product.flask("partitions", "backfill", "--wait", "--json").stdout)
    assert (done["dispatched"], done["ready"], done["failed"]) == (25, 25, 0)
    results = [product.tenant(number)["partition"]["result"] for number in numbers]
    assert results == ["already_exists"] * 3 + ["created"] * 22
    assert {f"tenant_{number}" for number in numbers} <= set(milvus.list_partitions(COLLECTION))

    again = json.loads(product.flask("partitions", "backfill", "--json").stdout)
    assert again["dispatched"] == 0


def test_new_tenant_gets_a_number_above_the_imported_ones(product: Product, tmp_path: Path) -> None:
    number = highest(product) + 1000
    imported(product, tmp_path, [number])
    assert product.create()["id"] > number
    product.flask("partitions", "backfill", "--tenant-id", str(number), "--wait")
    assert product.tenant(number)["partition"]["status"] == "ready"


def test_status_tells_counts_and_one_tenant(product: Product) -> None:
    tenant_id = product.create()["id"]
    product.await_state(tenant_id, "ready")
    counts = json.loads(product.flask("partitions", "status", "--json").stdout)
    assert counts["ready"] >= 1
    words = ("partitions", "status", "--tenant-id", str(tenant_id), "--json")
    assert json.loads(product.flask(*words).stdout)["status"] == "ready"


def test_command_refuses_unknown_tenant(product: Product) -> None:
    refused = product.flask("partitions", "backfill", "--tenant-id", "999999999", check=False)
    assert (refused.returncode, refused.stdout) == (2, "")


def test_renamed_tenant_keeps_its_partition(product: Product) -> None:
    tenant_id = product.create()["id"]
    product.await_state(tenant_id, "ready")
    answer = product.api("PATCH", f"/api/tenants/{tenant_id}", json={"name": "Renamed"})
    assert answer.json()["name"] == "Renamed"
    assert answer.json()["partition"]["name"] == f"tenant_{tenant_id}"


def test_deleted_tenant_leaves_the_lists_and_its_number_stays_used(product: Product) -> None:
    tenant_id = product.create("To be gone")["id"]
    gone = product.api("DELETE", f"/api/tenants/{tenant_id}")
    assert gone.status_code == 202
    assert gone.json()["partition"]["status"] == "removing"
    listed = product.api("GET", "/api/tenants?q=To be gone").json()["items"]
    assert tenant_id not in [tenant["id"] for tenant in listed]
    assert product.create()["id"] > tenant_id


def test_script_by_hand_agrees_with_the_product(product: Product) -> None:
    tenant_id = product.create()["id"]
    product.await_state(tenant_id, "ready")
    command = [sys.executable, "create_milvus_partition.py", "--collection", COLLECTION]
    command += ["--uri", product.config()["MILVUS_URI"], "--partition", f"tenant_{tenant_id}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["result"] == "already_exists"


def test_summary_counts_and_knows_the_headroom(product: Product) -> None:
    tenant_id = product.create()["id"]
    product.await_state(tenant_id, "ready")

    def observed() -> bool:
        summary = product.api("GET", "/api/partitions/summary").json()
        return COLLECTION in json.dumps(summary) and '"observed_at": "2' in json.dumps(summary)

    wait_until(observed, 60, "the sweep to observe the collection")
    ready = product.api("GET", "/readyz").json()
    assert (ready["database"], ready["redis"], ready["milvus"]["status"]) == ("ok", "ok", "ok")


def test_serving_processes_have_not_loaded_pymilvus(product: Product) -> None:
    for pid in product.run.pids("web"):
        assert "pymilvus" not in Path(f"/proc/{pid}/maps").read_text()
        assert "grpc" not in Path(f"/proc/{pid}/maps").read_text()
