"""The collection of the embedded mode is made when missing."""

import json

import pytest

from jobs.embedded import main
from tests.engines.lite import LiteServer
from tests.engines.process import free_port


def test_collection_is_made_once_when_started_twice(
    milvus_lite: LiteServer, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--uri", milvus_lite.uri, "--collection", "embedded", "--wait", "10"]
    assert [main(command), main(command)] == [0, 0]
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events == ["milvus.collection.created", "milvus.collection.already_exists"]


def test_exit_code_is_1_when_milvus_does_not_come(capsys: pytest.CaptureFixture[str]) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    assert main(["--uri", uri, "--collection", "c", "--wait", "0.3"]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["cause"] == "milvus_unreachable"
    assert "Fail connecting" in shown.err
