"""The store and the script under the pymilvus before ours, which customers still have."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import skip_when_switched_off
from tests.engines import overlay

ROOT = Path(__file__).resolve().parents[2]
SUITES = ["tests/integration/test_partition_store.py", "tests/integration/test_guarded_milvus.py"]
# What a client reads of a server's answers, and how it ends when there are none. What Milvus Lite
# answers is the same words again.
DIFFERS = "milvus_standalone or guarded or refused or nothing_answers or is_frozen or unnoticed"
VERSION = "import pymilvus; print(pymilvus.__version__)"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    packages = overlay.install("pymilvus26")
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def test_contract_of_the_store_holds_when_pymilvus_is_2_6() -> None:
    skip_when_switched_off("pymilvus26")
    assert run("-c", VERSION).stdout.startswith("2.6.")
    done = run("-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-k", DIFFERS, *SUITES)
    assert done.returncode == 0, done.stdout[-4000:]


def test_script_answers_when_pymilvus_is_2_6() -> None:
    skip_when_switched_off("pymilvus26")
    done = run(
        "-m",
        "pytest",
        "--quiet",
        "-p",
        "no:cacheprovider",
        "-k",
        "runs_twice or frozen",
        "tests/acceptance/test_partition_script.py",
    )
    assert done.returncode == 0, done.stdout[-4000:]
