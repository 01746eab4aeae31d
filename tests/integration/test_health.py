"""The health checks: what they say, and that they say it in time."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from tests.access import database_of, migrated_app, settings_in
from tests.engines.redis import RedisServer
from tests.factories import ACTOR
from webapp import create_app
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Circuit
from webapp.models.observed import ObservedCollection
from webapp.partitions.circuit_state import MILVUS

BLACK_HOLE = "postgresql://u:p@10.255.255.1:5432/x?connect_timeout=30"


@pytest.fixture
def app(tmp_path: Path, redis_url: str) -> APIFlask:
    """The application on an empty SQLite and the shared Redis."""
    return migrated_app(settings_in(tmp_path, redis_url=redis_url))


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    return app.test_client()


def test_the_process_is_alive_when_nothing_else_is(tmp_path: Path) -> None:
    app = create_app(settings_in(tmp_path / "gone", redis_url="redis://127.0.0.1:1/0"))
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_the_process_is_ready_when_database_and_redis_answer(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    unseen = dict.fromkeys(("cause", "observed_at", "circuit_since"))
    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "ok",
        "database": "ok",
        "redis": "ok",
        "milvus": {"status": "unknown", "circuit": "closed", **unseen},
        "provisioning": {"status": "running", "since": None},
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
        with database_of(app).transaction() as session:
            session.merge(seen)
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


def test_the_process_is_not_ready_when_redis_is_frozen(
    tmp_path: Path, app: APIFlask, spare_redis: Callable[..., RedisServer]
) -> None:
    redis = spare_redis()
    waiting = create_app(settings_in(tmp_path, redis_url=redis.url)).test_client()
    assert waiting.get("/readyz").status_code == 200
    redis.freeze()
    began = time.monotonic()
    answer = waiting.get("/readyz")
    assert time.monotonic() - began < 3
    body = answer.get_json()
    assert (answer.status_code, body["status"], body["redis"]) == (503, "unavailable", "down")


def test_the_process_is_not_ready_when_the_tables_are_missing(
    tmp_path: Path, redis_url: str
) -> None:
    client = create_app(settings_in(tmp_path, redis_url=redis_url)).test_client()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["database"]) == (503, "down")


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
