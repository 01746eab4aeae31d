"""The script of the command line, as an operator runs it."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engines.lite import LiteServer
from tests.engines.process import free_port
from tests.milvus_collections import insert_rows, make_collection

ROOT = Path(__file__).resolve().parents[2]
SECRET = "s3cretpass"


@dataclass(frozen=True)
class Run:
    code: int
    output: str
    errors: str

    @property
    def answer(self) -> dict[str, Any]:
        assert self.output.count("\n") == 1, self.output
        parsed: dict[str, Any] = json.loads(self.output)
        return parsed


def script(*arguments: str, **variables: str) -> Run:
    environment = {"PATH": os.environ["PATH"], "MILVUS_TOKEN": f"root:{SECRET}", **variables}
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    done = subprocess.run(
        [sys.executable, "create_milvus_partition.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    run = Run(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in run.errors
    assert SECRET not in run.output + run.errors
    return run


def named(collection: str, partition: str) -> list[str]:
    return ["--collection", collection, "--partition", partition]


def test_partition_is_made_once_when_script_runs_twice(milvus_lite: LiteServer) -> None:
    wanted = named(make_collection(milvus_lite.uri), "tenant_1")
    address = ["--uri", milvus_lite.uri]
    made = script(*wanted, *address)
    again = script(*wanted, *address)
    there = script(*wanted, *address, "--check")
    assert [run.code for run in (made, again, there)] == [0, 0, 0]
    results = [run.answer["result"] for run in (made, again, there)]
    assert results == ["created", "already_exists", "exists"]
    assert made.answer == {"collection": wanted[1], "partition": "tenant_1", "result": "created"}
    assert again.answer == {**made.answer, "result": "already_exists", "rows": 0}
    assert there.answer["rows"] == 0


def test_rows_are_counted_when_the_partition_was_there(milvus_lite: LiteServer) -> None:
    collection = make_collection(milvus_lite.uri, loaded=True)
    wanted = [*named(collection, "tenant_1"), "--uri", milvus_lite.uri]
    script(*wanted)
    insert_rows(milvus_lite.uri, collection, "tenant_1", 4)
    assert [script(*wanted, *more).answer["rows"] for more in ([], ["--check"])] == [4, 4]


def test_address_comes_from_variables_and_is_named_when_uri_is_left_out(
    milvus_lite: LiteServer,
) -> None:
    wanted = [*named(make_collection(milvus_lite.uri), "tenant_1"), "--check"]
    host = {"MILVUS_URI": "", "MILVUS_HOST": "", "MILVUS_PORT": str(milvus_lite.port)}
    for variables in (
        {"MILVUS_URI": milvus_lite.uri, "MILVUS_PORT": "x"},
        {**host, "MILVUS_TIMEOUT": ""},
    ):
        run = script(*wanted, **variables)
        assert run.errors == f"Asking {milvus_lite.uri}; --uri names another server.\n"
        assert (run.code, run.answer["result"]) == (3, "absent")
        assert "rows" not in run.answer
    other = script(*wanted, "--uri", milvus_lite.uri, MILVUS_URI="file:/x")
    assert (other.code, other.errors) == (3, "")
    secret = script(*wanted, MILVUS_URI=f"{milvus_lite.uri}?token={SECRET}", MILVUS_TIMEOUT="1")
    assert secret.errors.startswith(f"Asking {milvus_lite.uri};")


def test_readme_names_the_server_when_it_runs_the_script() -> None:
    """The script reads neither `.env` nor the port of the embedded Milvus."""
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.findall(r"python create_milvus_partition\.py(?! --uri )", readme) == []


def test_cause_is_told_when_collection_is_missing(milvus_lite: LiteServer) -> None:
    run = script(*named("nope", "tenant_1"), "--uri", milvus_lite.uri)
    assert run.code == 1
    assert run.answer["result"] == "failed"
    assert run.answer["cause"] == "collection_missing"
    assert "nope" in run.answer["message"]


def test_script_ends_in_time_when_nothing_answers() -> None:
    """It waits as long as it was told, not the ten seconds that the SDK would."""
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        uris = [f"http://127.0.0.1:{port}" for port in (free_port(), black_hole.getsockname()[1])]
        refused_s, ignored_s = (seconds(uri) for uri in uris)
    assert ignored_s < 2 * refused_s + 4


def seconds(uri: str) -> float:
    """How long the script takes to find that nobody answers there, given a second for it."""
    started = time.monotonic()
    run = script(*named("c", "tenant_1"), "--uri", uri, "--timeout", "1")
    assert (run.code, run.answer["cause"]) == (1, "milvus_unreachable")
    return time.monotonic() - started


def test_script_ends_in_time_when_server_is_frozen(spare_lite: LiteServer) -> None:
    wanted = named(make_collection(spare_lite.uri), "tenant_1")
    spare_lite.freeze()
    run = script(*wanted, "--uri", spare_lite.uri, "--timeout", "1")
    assert (run.code, run.answer["cause"]) == (1, "milvus_unreachable")


@pytest.mark.parametrize(
    "name", ["", "a/b", "../../evil", "tenant-1", "a\n", "é", "a" * 256, '"}', "--check"]
)
def test_no_call_is_made_when_name_is_not_allowed(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}"
        run = script("--collection", "c", f"--partition={name}", "--uri", uri)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert (run.code, run.answer["cause"], run.answer["partition"]) == (1, "invalid_name", name)


@pytest.mark.parametrize(
    ("arguments", "variables", "named_there"),
    [
        ([], {}, "--collection"),
        (["--collection", "c"], {}, "--partition"),
        (["--collection", "", "--partition", "p"], {}, "--collection"),
        ([*named("c", "p"), "--timeout", "soon"], {}, "--timeout"),
        ([*named("c", "p"), "--timeout", "nan"], {}, "--timeout"),
        ([*named("c", "p"), "--timeout", "0"], {}, "--timeout"),
        (named("c", "p"), {"MILVUS_TIMEOUT": "-1"}, "MILVUS_TIMEOUT"),
        ([*named("c", "p"), "--uri", "file:///tmp/x"], {}, "--uri"),
        ([*named("c", "p"), "--uri", "./milvus.db"], {}, "--uri"),
        ([*named("c", "p"), "--uri", "http://h/x.db"], {}, "--uri"),
        ([*named("c", "p"), "--uri", f"http://u:{SECRET}@h:1"], {}, "--uri"),
        ([*named("c", "p"), "--uri", "http://h:99999"], {}, "--uri"),
        (named("c", "p"), {"MILVUS_URI": f"http://u:{SECRET}@h"}, "MILVUS_URI"),
        (named("c", "p"), {"MILVUS_PORT": "0"}, "MILVUS_PORT"),
        (named("c", "p"), {"MILVUS_PORT": "x1"}, "MILVUS_PORT"),
        (named("c", "p"), {"MILVUS_HOST": "http://h"}, "MILVUS_HOST"),
        ([*named("c", "p"), "--token", SECRET], {}, "argument"),
    ],
)
def test_exit_code_is_2_when_usage_is_bad(
    arguments: list[str], variables: dict[str, str], named_there: str
) -> None:
    run = script(*arguments, **variables)
    assert (run.code, run.output) == (2, "")
    assert named_there in run.errors.rpartition("error:")[2]
