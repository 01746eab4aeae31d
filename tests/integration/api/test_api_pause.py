"""Pausing and resuming all provisioning by the API."""

from apiflask import APIFlask

from tests.integration.api.caller import Caller, assert_problem
from webapp.auth.roles import Role


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
    for body in ({"reason": "x" * 501}, {"reason": 7}, {"until": "tomorrow"}):
        assert_problem(api.post("/partitions/pause", body), 422, "invalid")
    assert api.get("/partitions/summary").json["paused"] is None


def test_pause_is_refused_when_a_viewer_asks(app: APIFlask) -> None:
    viewer = Caller(app, Role.VIEWER)
    for verb in ("pause", "resume"):
        assert_problem(viewer.post(f"/partitions/{verb}", {}), 403, "forbidden")
