"""Orphans by the API: what is answered, refused and recorded."""

from typing import Any

import pytest
from sqlalchemy import delete, select

from tests.integration.api.caller import ON_SQLITE, Caller, assert_problem
from webapp.models.audit import AuditEntry
from webapp.models.observed import PartitionDrift
from webapp.models.orphan import OrphanRequest
from webapp.models.states import DriftKind

pytestmark = ON_SQLITE

COLLECTION = "kb_chunks_v1"
HOSTILE = ("tenant_\u0663", "x" * 255, "<script>alert(1)</script>")


def orphan(api: Caller, number: int) -> dict[str, str]:
    """An orphan that a comparison found; returns its place."""
    place = {"collection": COLLECTION, "partition": f"tenant_{number}"}
    api.store(PartitionDrift(**place, kind=DriftKind.ORPHAN, number=number, note="no tenant"))
    return place


@pytest.fixture(autouse=True)
def _nothing_found_before(api: Caller) -> None:
    for table in (OrphanRequest, PartitionDrift):
        api.execute(delete(table))


def listed(api: Caller) -> dict[str, Any]:
    answer = api.get("/partitions/orphans")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json
    return found


def test_requests_are_listed_when_they_were_made(api: Caller) -> None:
    place = orphan(api, 4001)
    for action, more in (("count", {}), ("drop", {"typed": "tenant_4001"})):
        answer = api.post(f"/partitions/orphans/{action}", place | more)
        assert (answer.status_code, answer.json["outcome"]) == (202, None)
        assert answer.json["asked_by"].startswith("token:")
        assert listed(api)["requests"] == [answer.json]
        other = {"count": "acknowledge", "drop": "count"}[action]
        again = api.post(f"/partitions/orphans/{other}", place)
        assert again.status_code == (200 if action == "count" else 409)
        api.execute(delete(OrphanRequest))


def test_orphan_is_kept_until_that_is_taken_back(api: Caller) -> None:
    place = orphan(api, 4002)
    kept = api.post("/partitions/orphans/acknowledge", place | {"reason": "Archive"})
    assert (kept.json["kind"], kept.json["acknowledged_reason"]) == ("acknowledged", "Archive")
    assert listed(api)["orphans"] == [kept.json]
    drift = api.get("/partitions/drift").json
    assert (drift["counts"]["orphan"], drift["counts"]["acknowledged"]) == (0, 1)
    assert drift["acknowledged"][0]["partition"] == "tenant_4002"
    again = api.post("/partitions/orphans/take-back", place).json
    assert (again["kind"], again["acknowledged_at"]) == ("orphan", None)
    of_orphans = select(AuditEntry).where(AuditEntry.target == "partition tenant_4002")
    assert [entry.action for entry in api.rows(of_orphans)] == [
        "orphan.acknowledge",
        "orphan.take_back",
    ]


def test_orphan_is_a_tenant_when_it_is_adopted(api: Caller) -> None:
    place = orphan(api, 4003)
    answer = api.post("/partitions/orphans/adopt", place | {"name": "Lost"})
    assert (answer.status_code, answer.headers["Location"]) == (201, "/api/tenants/4003")
    assert answer.json["partition"]["name"] == "tenant_4003"
    assert listed(api)["orphans"] == []
    orphan(api, 4003)
    again = api.post("/partitions/orphans/adopt", place | {"name": "Lost"})
    assert_problem(again, 409, "not_adoptable")
    drop = api.post("/partitions/orphans/drop", place | {"typed": "tenant_4003"})
    assert_problem(drop, 409, "not_droppable")


def test_call_is_refused_when_it_names_no_orphan_or_is_not_confirmed(api: Caller) -> None:
    place = orphan(api, 4004)
    for action, more in (
        ("count", {}),
        ("adopt", {"name": "A"}),
        ("acknowledge", {}),
        ("take-back", {}),
        ("drop", {"typed": "nothing"}),
    ):
        for name in ("nothing", "_default", "a\0b", *HOSTILE):
            body = {"collection": COLLECTION, "partition": name} | more
            body |= {"typed": name} if more.get("typed") else {}
            answer = api.post(f"/partitions/orphans/{action}", body)
            assert_problem(answer, 404, "not_found")
    answer = api.post("/partitions/orphans/drop", place | {"typed": "tenant_400"})
    assert "not its name" in assert_problem(answer, 409, "not_droppable")["detail"]
    problem = assert_problem(
        api.post("/partitions/orphans/adopt", place | {"name": " "}), 422, "invalid"
    )
    assert list(problem["errors"]) == ["name"]


def test_drop_is_refused_when_provisioning_is_paused(api: Caller) -> None:
    place = orphan(api, 4005)
    api.post("/partitions/pause", {})
    answer = api.post("/partitions/orphans/drop", place | {"typed": "tenant_4005"})
    api.post("/partitions/resume")
    assert "provisioning is paused" in assert_problem(answer, 409, "not_droppable")["detail"]


def test_viewer_reads_and_decides_nothing(api: Caller, viewer: Caller) -> None:
    place = orphan(api, 4006)
    assert listed(viewer)["orphans"][0]["partition"] == "tenant_4006"
    answer = viewer.post("/partitions/orphans/drop", place | {"typed": "tenant_4006"})
    assert answer.status_code == 403
