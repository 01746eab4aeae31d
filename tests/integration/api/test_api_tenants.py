"""Creating, reading, renaming and deleting tenants by the API."""

import json
import re
import unicodedata

import pytest
from apiflask import APIFlask
from sqlalchemy import update

from jobs.drift.observations import Observation, record_observation
from tests.access import database_of
from tests.factories import imported
from tests.integration.api.caller import Caller, assert_problem, unique
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.retention import PrunedTimeline
from webapp.models.states import CanaryOutcome, PartitionState
from webapp.partitions.isolation_checks import CanaryReport, record_check
from webapp.settings import PROJECT_ROOT, Settings
from webapp.times import rfc3339

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

TENANT_KEYS = ["id", "name", "slug", "status", "created_at", "partition"]
PARTITION_KEYS = [
    *("collection", "name", "status", "provider", "result", "attempts", "cause", "error"),
    *("requested_at", "last_requested_at", "waiting_since", "ready_at", "verified_at"),
    *("remove_at", "rows_lost_at"),
]
EVENT_KEYS = [
    *("event", "at", "attempt", "provider", "cause", "message", "duration_ms", "job_id", "actor"),
    *("count", "first_at"),
]


def test_the_readmes_sample_has_every_field_of_an_answer() -> None:
    block = re.search(r"```json\n(.*?)```", (PROJECT_ROOT / "README.md").read_text(), re.S)
    assert block
    sample = json.loads(block[1])
    assert (list(sample), list(sample["partition"])) == (TENANT_KEYS, PARTITION_KEYS)


def fail(api: Caller, tenant_id: int, cause: Cause = Cause.CAPACITY) -> None:
    """Record a failure as a worker does whose attempts are used up."""
    failed = {"state": PartitionState.FAILED, "cause": cause, "error": "full", "attempts": 1}
    api.execute(update(Partition).where(Partition.tenant_id == tenant_id).values(failed))


def test_tenant_is_answered_as_in_the_contract_when_created(
    api: Caller, settings: Settings
) -> None:
    answer = api.post("/tenants", {"name": "Acme S.p.A."})
    tenant = answer.json
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/tenants/{tenant['id']}"
    assert api.get(f"/tenants/{tenant['id']}").json == tenant
    assert list(tenant) == TENANT_KEYS
    assert (tenant["name"], tenant["status"]) == ("Acme S.p.A.", "active")
    assert TIME.fullmatch(tenant["created_at"])
    partition = tenant["partition"]
    assert list(partition) == PARTITION_KEYS
    assert partition["collection"] == settings.milvus_collection
    assert partition["name"] == f"tenant_{tenant['id']}"
    assert (partition["status"], partition["ready_at"]) == ("pending", None)
    assert TIME.fullmatch(partition["requested_at"])
    assert partition["waiting_since"] == partition["last_requested_at"] == partition["requested_at"]


def test_the_first_request_and_the_last_are_told_when_there_was_a_retry(api: Caller) -> None:
    number = api.post("/tenants", {"name": "Acme"}).json["id"]
    first = api.get(f"/tenants/{number}").json["partition"]["requested_at"]
    fail(api, number)
    answer = api.post(f"/tenants/{number}/retry").json["partition"]
    assert answer["requested_at"] == answer["waiting_since"] == first
    assert answer["last_requested_at"] > first
    before = api.get("/partitions/summary").json
    assert before["trying_again"] >= 1
    assert before["waiting_since"] <= first
    done = {"state": PartitionState.READY, "waiting_since": None}
    api.execute(update(Partition).where(Partition.tenant_id == number).values(done))
    after = api.get("/partitions/summary").json
    assert after["trying_again"] == before["trying_again"] - 1


def test_slug_is_numbered_when_made_from_a_name_that_is_taken(api: Caller) -> None:
    name = unique("twin")
    slugs = [api.tenant(name)["slug"] for _ in range(3)]
    assert slugs == [name, f"{name}-2", f"{name}-3"]


@pytest.mark.parametrize(
    "name",
    ["Zoë", "🚀 ♥", "Zoe\u0308", "\u200f\u05e9\u05dc\u05d5\u05dd", "x" * 255, "  spaced  "],
)
def test_name_is_stored_as_nfc_when_it_is_unusual(api: Caller, name: str) -> None:
    created = api.tenant(name)
    assert created["name"] == unicodedata.normalize("NFC", name).strip()
    assert api.get(f"/tenants/{created['id']}").json["name"] == created["name"]


def test_slug_is_free_again_when_its_tenant_is_deleted(api: Caller) -> None:
    slug = unique("again")
    first = api.tenant(slug=slug)
    assert_problem(api.post("/tenants", {"name": "Other", "slug": slug}), 409, "slug_taken")
    api.delete(f"/tenants/{first['id']}")
    assert api.tenant(slug=slug)["id"] > first["id"]


def test_partition_is_null_when_nobody_asked_for_it(api: Caller) -> None:
    api.store(imported(9_000, slug=unique("earlier")))
    assert api.get("/tenants/9000").json["partition"] is None
    assert api.get("/partitions/summary").json["without_wish"] >= 1


def test_partition_keeps_its_name_when_tenant_is_renamed(api: Caller) -> None:
    created = api.tenant()
    changes = {"name": "Acme Group", "slug": unique("group")}
    renamed = api.patch(f"/tenants/{created['id']}", changes)
    assert renamed.status_code == 200
    assert renamed.json == {**created, **changes}
    again = api.patch(f"/tenants/{created['id']}", {"name": "Other"}).json
    assert (again["name"], again["slug"]) == ("Other", changes["slug"])


def test_rename_is_refused_when_another_has_the_slug(api: Caller) -> None:
    first, second = api.tenant(), api.tenant()
    answer = api.patch(f"/tenants/{second['id']}", {"slug": first["slug"]})
    assert_problem(answer, 409, "slug_taken")


@pytest.mark.parametrize("body", [{}, {"name": None}, {"slug": None}, {"status": "deleted"}])
def test_rename_is_refused_when_it_changes_nothing_that_may_change(
    api: Caller, body: dict[str, object]
) -> None:
    tenant = api.tenant()
    assert_problem(api.patch(f"/tenants/{tenant['id']}", body), 422, "invalid")


def test_tenant_is_shown_as_deleted_when_it_was_deleted_once_or_twice(api: Caller) -> None:
    path = f"/tenants/{api.tenant()['id']}"
    deleted = api.delete(path)
    assert deleted.status_code == 202
    assert (deleted.json["status"], deleted.json["partition"]["status"]) == ("deleted", "removing")
    assert api.get(path).json == deleted.json
    again = api.delete(path)
    assert (again.status_code, again.json) == (202, deleted.json)


def test_tenant_is_called_back_when_it_is_not_dropped_yet(api: Caller) -> None:
    path = f"/tenants/{api.tenant()['id']}"
    assert_problem(api.post(f"{path}/restore"), 409, "not_removing")
    assert TIME.fullmatch(api.delete(path).json["partition"]["remove_at"])
    answer = api.post(f"{path}/restore")
    assert answer.status_code == 202
    assert (answer.json["status"], answer.json["partition"]["status"]) == ("active", "pending")
    assert api.get(path).json == answer.json


def test_record_of_a_departure_is_a_file_when_tenant_was_deleted(api: Caller) -> None:
    tenant = api.tenant()
    path = f"/tenants/{tenant['id']}/departure"
    assert_problem(api.get(path), 404, "not_found")
    api.delete(f"/tenants/{tenant['id']}")
    answer = api.get(path)
    saved_as = f"attachment; filename=tenant-{tenant['id']}-departure.json"
    assert answer.headers["Content-Disposition"] == saved_as
    record = answer.json
    assert (record["tenant_id"], record["status"]) == (tenant["id"], "removing")
    assert record["requested_by"].startswith("token:")
    assert TIME.fullmatch(record["requested_at"])
    assert (record["rows"], record["outcome"]) == (None, None)
    api.post(f"/tenants/{tenant['id']}/restore")
    assert_problem(api.get(path), 404, "not_found")


def test_rename_is_refused_when_tenant_is_deleted(api: Caller) -> None:
    path = f"/tenants/{api.tenant()['id']}"
    api.delete(path)
    assert_problem(api.patch(path, {"name": "Late"}), 409, "tenant_deleted")


def test_failure_is_shown_with_its_cause_and_requested_for_again_when_retried(api: Caller) -> None:
    tenant = api.tenant()
    assert_problem(api.post(f"/tenants/{tenant['id']}/retry"), 409, "not_failed")
    fail(api, tenant["id"])
    partition = api.get(f"/tenants/{tenant['id']}").json["partition"]
    assert (partition["status"], partition["cause"], partition["error"]) == (
        *("failed", "capacity", "full"),
    )
    answer = api.post(f"/tenants/{tenant['id']}/retry")
    assert answer.status_code == 202
    assert answer.json["partition"]["status"] == "pending"
    assert answer.json["partition"]["attempts"] == 0


@pytest.mark.parametrize("decision", ["adopt", "empty"])
def test_foreign_partition_is_requested_for_again_when_an_operator_decides(
    api: Caller, decision: str
) -> None:
    tenant = api.tenant()
    path = f"/tenants/{tenant['id']}/{decision}"
    assert_problem(api.post(path), 409, "not_foreign")
    fail(api, tenant["id"], Cause.FOREIGN_DATA)
    answer = api.post(path)
    assert (answer.status_code, answer.json["partition"]["status"]) == (202, "pending")
    events = api.get(f"/tenants/{tenant['id']}/events").json["items"]
    assert f"milvus.partition.{decision}_requested" in [event["event"] for event in events]
    assert_problem(api.post(f"/tenants/999999/{decision}"), 404, "not_found")


def test_events_are_listed_newest_first_when_asked_for(api: Caller) -> None:
    tenant = api.tenant()
    api.delete(f"/tenants/{tenant['id']}")
    items = [page[0] for page in api.pages(f"/tenants/{tenant['id']}/events", limit=1)]
    names = [item["event"] for item in items]
    assert names[0] == "milvus.partition.removing"
    assert names[-1] == "milvus.partition.requested"
    assert list(items[0]) == EVENT_KEYS
    assert items[-1]["actor"].startswith("token:")
    assert TIME.fullmatch(items[0]["at"])


def test_events_tell_what_was_pruned(api: Caller) -> None:
    tenant, at = api.tenant(), utc_now()
    events = f"/tenants/{tenant['id']}/events"
    assert api.get(events).json["pruned"] is None
    pruned = {"tenant_id": tenant["id"], "entries": 7, "until": at, "pruned_at": at}
    with database_of(api.app).transaction() as session:
        session.add(PrunedTimeline(**pruned))
    told = api.get(events).json["pruned"]
    assert (told["count"], told["until"]) == (7, rfc3339(at))


def test_summary_counts_a_failure_when_there_is_one(api: Caller) -> None:
    before = api.get("/partitions/summary").json
    fail(api, api.tenant()["id"])
    after = api.get("/partitions/summary").json
    states = ["pending", "provisioning", "ready", "missing", "failed", "removing", "removed"]
    assert list(after["states"]) == states
    assert after["tenants"] == before["tenants"] + 1
    assert after["states"]["failed"] == before["states"]["failed"] + 1
    assert after["causes"]["capacity"] == before["causes"].get("capacity", 0) + 1


def test_summary_says_unknown_when_milvus_was_never_seen(api: Caller, settings: Settings) -> None:
    (collection,) = api.get("/partitions/summary").json["collections"]
    assert collection["collection"] == settings.milvus_collection
    assert collection["limit"] == settings.milvus_max_partitions
    assert (collection["used"], collection["left"], collection["observed_at"]) == (None,) * 3


def test_canary_is_shown_when_it_ran(api: Caller, app: APIFlask, settings: Settings) -> None:
    services = app.extensions["services"]
    record_observation(services.database, Observation(settings.milvus_collection, 1, partitions=1))
    report = CanaryReport(CanaryOutcome.FAILED, "a leak")
    assert record_check(services.database, settings.milvus_collection, report)
    (collection,) = api.get("/partitions/summary").json["collections"]
    assert (collection["canary"]["outcome"], collection["canary"]["message"]) == (
        "failed",
        "a leak",
    )
    assert TIME.fullmatch(collection["canary"]["at"])
