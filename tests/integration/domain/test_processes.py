"""The product's own processes: what they load, what they log, how they stop."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.engines.lite import LiteServer
from tests.engines.process import wait_until
from tests.engines.read_only import python_path
from tests.factories import ACTOR, Product
from tests.milvus_collections import make_collection

ROOT = Path(__file__).resolve().parents[3]
SERVING = """
import sys
import wsgi
wsgi.app.test_client().get("/")
print(sorted(name for name in sys.modules if name.split(".")[0] in ("pymilvus", "grpc")))
"""

# Read by every Python process; takes pymilvus from all but the script.
WITHOUT_SDK = """
import sys
if not any("create_milvus_partition" in word for word in sys.orig_argv):
    sys.modules["pymilvus"] = None
"""


def environment(product: Product, **more: str) -> dict[str, str]:
    settings = product.settings
    return {
        "PATH": os.environ["PATH"],
        "VAR_DIR": str(settings.var_dir),
        "DATABASE_URL": settings.database_address,
        "REDIS_URL": settings.redis_address,
        "SECRET_KEY": "a secret of the tests",
        "MILVUS_URI": settings.milvus_address,
        "MILVUS_TIMEOUT": f"{settings.milvus_timeout:g}",
        "MILVUS_COLLECTION": settings.milvus_collection,
        "PARTITION_QUEUE": settings.partition_queue,
        **more,
    }


def rq_worker(*options: str) -> list[str]:
    """RQ's own command, with the classes that it takes by default."""
    beside = str(Path(sys.executable).parent / "rq")
    return [beside, "worker", "-c", "jobs.worker", *options]


@contextmanager
def started(command: list[str], product: Product, **more: str) -> Iterator[subprocess.Popen[str]]:
    """The process, killed at the end where it still runs."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(product, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(command: list[str], product: Product, **more: str) -> tuple[str, int]:
    """All that the process printed, and its exit code."""
    with started(command, product, **more) as process:
        output, _ = process.communicate(timeout=60)
    return output, process.returncode


def test_pymilvus_is_not_loaded_when_the_web_process_serves(simple: Product) -> None:
    output, _ = run([sys.executable, "-c", SERVING], simple)
    assert output.splitlines()[-1] == "[]"


def test_start_ends_with_the_settings_name_when_one_is_invalid(simple: Product) -> None:
    output, code = run([sys.executable, "-c", "import wsgi"], simple, MILVUS_PORT="many")
    assert code == 1
    assert output.startswith("Settings: MILVUS_PORT ")
    assert "Traceback" not in output


def test_lines_tell_of_request_and_job_when_a_worker_logs(whole: Product) -> None:
    tenant = whole.create(actor=replace(ACTOR, request_id="request-77"))
    output, _ = run(rq_worker("--burst"), whole, MILVUS_TOKEN="canary-token")
    assert "canary-token" not in output
    lines = [json.loads(line) for line in output.splitlines()]
    ours = {line["event"]: line for line in lines if line.get("tenant_id") == tenant.id}
    created = ours["milvus.partition.created"]
    assert set(ours) == {"milvus.partition.creating", "milvus.partition.created"}
    assert created["partition"] == f"tenant_{tenant.id}"
    assert created["collection"] == whole.settings.milvus_collection
    assert (created["attempt"], created["provider"], created["level"]) == (1, "sdk", "info")
    assert (created["request_id"], created["job_id"]) == ("request-77", f"t{tenant.id}-g1-d1")
    assert created["duration_ms"] >= 0
    assert "timestamp" in created
    assert "cause" not in created


@contextmanager
def in_an_attempt(product: Product, lite: LiteServer) -> Iterator[subprocess.Popen[str]]:
    """A worker that waits for Milvus in the middle of the newest tenant's first attempt."""
    lite.freeze()
    number = product.create().id
    with started(rq_worker(), product) as process:
        wait_until(lambda: product.row(number).state == "provisioning", 30, "the attempt to begin")
        yield process
        process.wait(30)
    lite.thaw()


def work_off(product: Product) -> None:
    product.services.dispatcher.dispatch_due()
    product.work()


def test_attempt_is_handed_back_or_taken_over_when_its_worker_ends(
    whole: Product, spare_lite: LiteServer
) -> None:
    collection = make_collection(spare_lite.uri)
    slow = whole.configured(milvus_uri=spare_lite.uri, milvus_collection=collection)
    with in_an_attempt(slow, spare_lite) as process:
        process.terminate()
    row = slow.row(1)
    assert (row.state, row.attempts, slow.event_names(1)[-1]) == ("pending", 0, "handed_back")
    work_off(slow)
    with in_an_attempt(slow, spare_lite) as process:
        process.kill()
    slow.age(2, "lease_until", 1)
    assert slow.repair.expire_leases() == 1
    work_off(slow)
    assert (slow.states(), slow.row(2).attempts) == (["ready", "ready"], 2)


def test_a_failed_attempt_is_logged_once(simple: Product) -> None:
    """By itself, and not by RQ besides."""
    tenant = simple.create()
    output, _ = run(rq_worker("--burst"), simple)
    assert simple.row(tenant).cause
    errors = [line for line in map(json.loads, output.splitlines()) if line["level"] == "error"]
    assert [line["event"] for line in errors] == ["milvus.partition.create_failed"]


def test_script_makes_the_partition_when_the_workers_sdk_cannot_be_imported(
    whole: Product, tmp_path: Path
) -> None:
    """And when one folder alone can be written."""
    tenant = whole.create()
    only_there = python_path(tmp_path, whole.settings.var_dir, WITHOUT_SDK)
    output, _ = run(rq_worker("--burst"), whole, PYTHONPATH=only_there)
    row = whole.row(tenant)
    assert (row.state, row.provider, row.result) == ("ready", "script", "created"), output
    assert "milvus.partition.fallback" in output
