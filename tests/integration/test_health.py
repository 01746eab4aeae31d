"""The health checks: what they say, and that they say it in time."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from tests.access import database_of, migrated_app, settings_in, statements
from tests.factories import ACTOR
from tests.processes import all_alive, process
from webapp import create_app
from webapp.conditions.condition import Part
from webapp.conditions.log import ConditionLog
from webapp.db.types import utc_now
from webapp.halts.circuit_state import MILVUS
from webapp.health import check_once
from webapp.http.shared_reads import SharedReads
from webapp.models.causes import Cause
from webapp.models.control import Brake, Circuit
from webapp.models.observed import ObservedCollection, PartitionDrift
from webapp.models.process import ProcessKind
from webapp.models.states import CanaryOutcome, DriftKind


def seen_now(**values: Any) -> ObservedCollection:
    """The collection in use as the sweep just saw it, but for these values."""
    moments = dict.fromkeys(("observed_at", "answered_at", "compared_at"), utc_now())
    return ObservedCollection(collection="kb_chunks_v1", **moments | {"cause": None} | values)


BLACK_HOLE = "postgresql://u:p@10.255.255.1:5432/x?connect_timeout=30"


@pytest.fixture
def app(tmp_path: Path, redis_url: str) -> APIFlask:
    """The application on an empty SQLite and the shared Redis."""
    return migrated_app(settings_in(tmp_path, redis_url=redis_url))


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    return app.test_client()


def store(app: APIFlask, *rows: Any) -> None:
    """Store the rows, as if for more than a second nothing had been read."""
    with database_of(app).transaction() as session:
        for row in rows:
            session.merge(row)
    app.extensions["shared_reads"] = SharedReads()


def test_the_process_is_alive_when_nothing_else_is(tmp_path: Path) -> None:
    app = create_app(settings_in(tmp_path / "gone", redis_url="redis://127.0.0.1:1/0"))
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_the_process_is_ready_when_nothing_is_wrong(app: APIFlask, client: FlaskClient) -> None:
    store(app, *all_alive(), seen_now())
    answer = client.get("/readyz")
    assert answer.status_code == 200
    body = answer.get_json()
    assert body["milvus"].pop("observed_at").endswith("Z")
    assert body == {
        "status": "ok",
        "database": "ok",
        "redis": "ok",
        "milvus": {"status": "ok", "cause": None, "circuit": "closed", "circuit_since": None},
        "provisioning": {"status": "running", "since": None},
        "checks": {part.value: "ok" for part in Part},
        "degraded": [],
    }


def test_the_last_seen_state_of_milvus_is_told_when_there_is_one(
    app: APIFlask, client: FlaskClient
) -> None:
    for cause, age_s, status in (
        (None, 0, "ok"),
        (Cause.MILVUS_UNREACHABLE, 0, "down"),
        (Cause.COLLECTION_MISSING, 0, "ok"),
        (None, 3600, "unknown"),
    ):
        at = utc_now() - timedelta(seconds=age_s)
        seen = ObservedCollection(collection="kb_chunks_v1", observed_at=at, cause=cause)
        store(app, seen)
        answer = client.get("/readyz")
        milvus = answer.get_json()["milvus"]
        assert (answer.status_code, milvus["status"], milvus["cause"]) == (200, status, cause)
        assert milvus["observed_at"].endswith("Z")


def test_an_open_circuit_is_told_with_its_moment(app: APIFlask, client: FlaskClient) -> None:
    opened = utc_now() - timedelta(minutes=1)
    with database_of(app).transaction() as session:
        session.add(Circuit(name=MILVUS, failures=3, opened_at=opened, cause=Cause.TIMEOUT))
    milvus = client.get("/readyz").get_json()["milvus"]
    assert milvus["circuit"] == "open"
    assert milvus["circuit_since"] == opened.isoformat().replace("+00:00", "Z")


def test_the_process_is_ready_when_provisioning_is_paused(
    app: APIFlask, client: FlaskClient
) -> None:
    paused = app.extensions["services"].pauses.pause("the reason is not for everybody", actor=ACTOR)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    since = paused.since.isoformat().replace("+00:00", "Z")
    assert answer.get_json()["provisioning"] == {"status": "paused", "since": since}
    assert "reason" not in answer.text


@pytest.mark.parametrize(
    ("condition", "key", "part"),
    [
        (lambda: process(redis="down"), "redis_down", "redis"),
        (lambda: process(ProcessKind.WORKER, 40, name="the-worker"), "no_workers", "workers"),
        (lambda: process(ProcessKind.WEB, 40), "process_silent", "web"),
        (lambda: seen_now(cause=Cause.COLLECTION_MISSING), "collection_missing", "collection"),
        (lambda: seen_now(partitions=1024), "collection_full", "capacity"),
    ],
)
def test_the_process_stays_ready_and_tells_what_is_degraded(
    app: APIFlask, client: FlaskClient, condition: Callable[[], Any], key: str, part: str
) -> None:
    store(app, *all_alive(), seen_now())
    store(app, condition())
    answer = client.get("/readyz")
    body = answer.get_json()
    assert (answer.status_code, body["status"], body["degraded"]) == (200, "degraded", [key])
    assert [name for name, state in body["checks"].items() if state != "ok"] == [part]


def test_each_check_is_true_when_a_collection_is_missing_behind_its_brake(
    app: APIFlask, client: FlaskClient
) -> None:
    name = "kb_chunks_v1"
    lost = {"reason": Cause.COLLECTION_MISSING, "since": utc_now(), "gone": 900, "proven": 900}
    orphan = PartitionDrift(collection=name, partition="tenant_7", kind=DriftKind.ORPHAN)
    # What was counted before is above a limit, and says nothing any more.
    seen = seen_now(cause=Cause.COLLECTION_MISSING, partitions=1024)
    store(app, *all_alive(), seen, orphan, Brake(collection=name, **lost))
    body = client.get("/readyz").get_json()
    # One fault is one alarm, and the checks of what it stops are degraded too.
    assert body["degraded"] == ["collection_missing"]
    assert (body["milvus"]["status"], body["milvus"]["cause"]) == ("ok", "collection_missing")
    degraded = [part for part, state in body["checks"].items() if state != "ok"]
    assert sorted(degraded) == ["brake", "collection"]
    assert (body["milvus"]["status"], body["milvus"]["cause"]) == ("ok", "collection_missing")


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        ({"cause": Cause.PARTITION_KEY_MODE}, "degraded"),
        ({"cause": Cause.AUTH}, "down"),
        ({"canary_outcome": CanaryOutcome.FAILED, "canary_message": "3 rows"}, "degraded"),
    ],
)
def test_milvus_is_never_ok_while_its_check_is_degraded(
    app: APIFlask, client: FlaskClient, seen: dict[str, Any], status: str
) -> None:
    store(app, *all_alive(), seen_now(**{"canary_at": utc_now()} | seen))
    body = client.get("/readyz").get_json()
    assert (body["checks"]["milvus"], body["milvus"]["status"]) == ("degraded", status)


def test_strangers_who_ask_often_are_answered_from_memory(
    app: APIFlask, client: FlaskClient
) -> None:
    with statements(app.extensions["database"].read(lambda session: session.get_bind())) as asked:
        for _ in range(20):
            client.get("/readyz")
    assert len(asked) < 40


def test_what_signs_of_life_tell_is_unknown_while_none_can_be_stored(
    app: APIFlask, client: FlaskClient
) -> None:
    store(app, *all_alive(20), seen_now(observed_at=utc_now() - timedelta(hours=1)))
    parts = database_of(app), app.extensions["settings"], app.extensions["schema"]
    log = app.extensions["condition_log"] = ConditionLog(*parts)
    log.note_failure(OperationalError("INSERT", {}, Exception("locked")))
    body = client.get("/readyz").get_json()
    assert (body["degraded"], body["redis"]) == ([], "unknown")
    unknown = {name for name, state in body["checks"].items() if state == "unknown"}
    assert unknown == {"redis", "web", "workers", "reconciler", "milvus"}


def test_the_first_check_is_made_before_a_process_serves(app: APIFlask) -> None:
    check_once(app)
    with statements(app.extensions["database"].read(lambda session: session.get_bind())) as asked:
        assert app.test_client().get("/readyz").status_code == 200
    assert asked == []


def test_the_process_is_not_ready_when_the_tables_are_missing(
    tmp_path: Path, redis_url: str
) -> None:
    client = create_app(settings_in(tmp_path, redis_url=redis_url)).test_client()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["database"]) == (503, "no_tables")


def test_the_answer_comes_in_time_when_the_database_is_a_black_hole(
    tmp_path: Path, redis_url: str
) -> None:
    settings = settings_in(
        tmp_path, redis_url=redis_url, database_url=BLACK_HOLE, secret_key="sixteen or more of it"
    )
    began = time.monotonic()
    answer = create_app(settings).test_client().get("/readyz")
    assert time.monotonic() - began < 4
    assert (answer.status_code, answer.get_json()["database"]) == (503, "down")
    assert "10.255" not in answer.text
