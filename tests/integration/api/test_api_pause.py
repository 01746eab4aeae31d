"""Pausing and resuming all provisioning by the API."""

from typing import Any

import pytest

from tests.integration.api.caller import ON_SQLITE, Caller, assert_problem

pytestmark = ON_SQLITE


def test_pause_is_told_in_the_summary_when_a_caller_pauses(api: Caller) -> None:
    answer = api.post("/partitions/pause", {"reason": "Upgrade of Milvus"})
    assert answer.status_code == 200
    paused = answer.json["paused"]
    assert paused["reason"] == "Upgrade of Milvus"
    assert paused["by"].startswith("token:")
    assert api.get("/partitions/summary").json["paused"] == paused
    tenant = api.tenant("Waits")
    assert tenant["partition"]["status"] == "pending"
    assert api.post("/partitions/resume").json == {"paused": None}
    assert api.get("/partitions/summary").json["paused"] is None


def test_the_first_pause_stands_when_paused_again(api: Caller) -> None:
    first = api.post("/partitions/pause", {"reason": "First"}).json
    assert api.post("/partitions/pause", {"reason": "Second"}).json == first
    assert api.post("/partitions/resume").status_code == 200
    assert api.post("/partitions/resume").json == {"paused": None}


def test_a_repeated_pause_does_not_pause_again_when_it_was_resumed_meanwhile(api: Caller) -> None:
    first = api.post("/partitions/pause", {}, "one key")
    api.post("/partitions/resume")
    second = api.post("/partitions/pause", {}, "one key")
    assert second.json == first.json
    assert second.headers["Idempotent-Replayed"] == "true"
    assert api.get("/partitions/summary").json["paused"] is None


def test_pause_is_refused_when_its_reason_is_unusable(api: Caller) -> None:
    for reason in ("x" * 501, 7, [], "\ud800", "a\0b", "a\x07b", "a\u202eb"):
        problem = assert_problem(api.post("/partitions/pause", {"reason": reason}), 422, "invalid")
        assert list(problem["errors"]) == ["reason"]
    assert_problem(api.post("/partitions/pause", {"until": "tomorrow"}), 422, "invalid")
    assert api.get("/partitions/summary").json["paused"] is None


@pytest.mark.parametrize("body", [b"null", b"[]", b'""', b"0", b"false", b'"reason"'])
def test_nothing_is_paused_when_the_body_is_no_object(api: Caller, body: bytes) -> None:
    answer = api.call("POST", "/partitions/pause", data=body, content_type="application/json")
    assert assert_problem(answer, 422, "invalid")["errors"] == {"body": ["must be a JSON object"]}
    assert api.get("/partitions/summary").json["paused"] is None


@pytest.mark.parametrize("body", [{}, {"reason": None}, {"reason": ""}, {"reason": " \n "}])
def test_a_pause_has_no_reason_when_none_is_given(api: Caller, body: dict[str, Any]) -> None:
    answer = api.post("/partitions/pause", body)
    assert answer.status_code == 200
    assert answer.json["paused"]["reason"] is None
    assert api.post("/partitions/resume").status_code == 200
