"""Brakes by the API: listed, decided once for each key, refused with a code."""

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, update

from tests.integration.api.caller import Caller, assert_problem
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Brake, Installation
from webapp.models.partition import Partition
from webapp.models.states import PartitionState


@pytest.fixture
def braked(api: Caller) -> str:
    """The name of a collection with a brake of its own."""
    name = f"braked_{api.tenant()['id']}"
    brake = {"reason": Cause.PARTITIONS_GONE, "gone": 12, "proven": 13, "since": utc_now()}
    api.store(Brake(collection=name, **brake))
    return name


def change(api: Caller, number: int, **values: object) -> None:
    api.execute(update(Partition).where(Partition.tenant_id == number).values(values))


def listed(api: Caller) -> dict[str, dict[str, object]]:
    return {each["collection"]: each for each in api.get("/partitions/brakes").json["items"]}


def test_brake_is_listed_and_released_once(api: Caller, braked: str) -> None:
    shown = listed(api)[braked]
    assert (shown["reason"], shown["gone"], shown["proven"]) == ("partitions_gone", 12, 13)
    first, again = (
        api.post(f"/collections/{braked}/make-again", key=f"again-{braked}") for _ in range(2)
    )
    assert (first.status_code, again.status_code, again.text) == (202, 202, first.text)
    assert braked not in listed(api)
    refused = api.post(f"/collections/{braked}/make-again")
    assert_problem(refused, 409, "not_braked")


def test_waiting_keeps_the_brake_on(api: Caller, braked: str) -> None:
    answer = api.post(f"/collections/{braked}/wait")
    assert (answer.status_code, bool(answer.json["acknowledged_at"])) == (200, True)
    assert listed(api)[braked]["acknowledged_by"] == answer.json["acknowledged_by"]


def test_nothing_is_made_again_without_a_collection(api: Caller, braked: str) -> None:
    api.execute(update(Brake).values(reason=Cause.COLLECTION_MISSING))
    assert_problem(api.post(f"/collections/{braked}/make-again"), 409, "collection_missing")
    assert braked in listed(api)


def test_loss_of_rows_is_acknowledged(api: Caller) -> None:
    number = api.tenant()["id"]
    assert_problem(api.post(f"/tenants/{number}/acknowledge"), 409, "nothing_lost")
    change(api, number, state=PartitionState.READY, rows_lost_at=utc_now())
    assert api.get(f"/tenants/{number}").json["partition"]["rows_lost_at"]
    answer = api.post(f"/tenants/{number}/acknowledge")
    assert (answer.status_code, answer.json["partition"]["rows_lost_at"]) == (200, None)
    assert_problem(api.post("/tenants/999999999/acknowledge"), 404, "not_found")


def test_missing_ones_are_listed_by_their_status(api: Caller) -> None:
    number = api.tenant()["id"]
    change(api, number, state=PartitionState.MISSING, cause=Cause.PARTITIONS_GONE)
    found = api.get("/tenants", status="missing", limit=200).json["items"]
    assert number in [each["id"] for each in found]
    assert_problem(api.post(f"/tenants/{number}/retry"), 409, "not_failed")


@pytest.fixture
def restored(api: Caller) -> Iterator[None]:
    """The database was restored, and Milvus does not answer."""
    api.tenant()
    api.execute(update(Installation).values(identity="cluster=1;file=1;table=1"))
    yield
    api.execute(delete(Installation))


@pytest.mark.usefixtures("restored")
def test_no_tenant_is_created_before_a_restored_database_was_compared(api: Caller) -> None:
    for _ in range(2):
        refused = api.post("/tenants", {"name": "Acme"}, key="the-same")
        body = assert_problem(refused, 503, "database_restored")
        assert "Milvus" in body["detail"]
        assert int(refused.headers["Retry-After"]) > 0
    many = api.post("/tenants/bulk", {"tenants": [{"name": "A"}]})
    assert_problem(many, 503, "database_restored")
    assert not api.get("/partitions/summary").json["restored"]["is_compared"]
    incarnations = api.app.extensions["services"].incarnations
    incarnations.record_compared()
    # The key was not used up: the same call succeeds now.
    assert api.post("/tenants", {"name": "Acme"}, key="the-same").status_code == 201
    assert api.get("/partitions/summary").json["restored"]["is_compared"]
    acknowledged = api.post("/restore/acknowledge")
    assert (acknowledged.status_code, acknowledged.json["is_compared"]) == (200, True)
    assert api.get("/partitions/summary").json["restored"] is None
    assert_problem(api.post("/restore/acknowledge"), 409, "not_restored")
