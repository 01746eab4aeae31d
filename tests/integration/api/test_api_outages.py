"""What the API answers while something it leans on is down."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.access import SECRET_KEY, close, migrated_app, settings_in
from tests.engines.process import free_port
from tests.engines.redis import RedisServer
from tests.integration.api.caller import Caller, assert_problem, unique
from webapp import create_app


def test_tenant_is_created_when_redis_is_down(
    new_directory: Callable[[str], Path], spare_redis: Callable[..., RedisServer]
) -> None:
    redis = spare_redis()
    app = migrated_app(settings_in(new_directory("down"), redis_url=redis.url))
    api = Caller(app)
    redis.kill()
    answer = api.post("/tenants", {"name": "Acme"})
    assert (answer.status_code, answer.json["partition"]["status"]) == (201, "pending")
    close(app)


def test_job_waits_in_the_queue_when_redis_is_up(api: Caller) -> None:
    tenant = api.tenant()
    job_queue = api.app.extensions["job_queue"]
    queue = job_queue.queue.name
    jobs = [job.decode() for job in job_queue.connection.lrange(f"rq:queue:{queue}", 0, -1)]
    assert f"t{tenant['id']}-g1-d1" in jobs


def test_call_is_answered_503_when_the_database_is_down(
    new_directory: Callable[[str], Path], redis_url: str
) -> None:
    address = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    values = {"database_url": address, "secret_key": SECRET_KEY, "redis_url": redis_url}
    app = create_app(settings_in(new_directory("down"), **values))
    headers = {"Authorization": "Bearer par_any"}
    answer = app.test_client().post("/api/tenants", json={"name": "Acme"}, headers=headers)
    assert_problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_error_is_answered_without_its_text_when_nobody_expected_it(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> NoReturn:
        raise RuntimeError("canary")

    monkeypatch.setitem(api.app.view_functions, "api.counts", broken)
    answer = api.get("/partitions/summary")
    assert_problem(answer, 500, "internal_error")
    assert "canary" not in answer.text


def test_client_finds_its_own_request_id_when_it_sent_one(api: Caller) -> None:
    request_id = unique("req")
    answer = api.call("GET", "/nothing", headers={"X-Request-ID": request_id})
    assert answer.headers["X-Request-ID"] == request_id
