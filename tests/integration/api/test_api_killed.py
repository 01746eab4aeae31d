"""The web server dies in the middle of a call, and the client repeats it."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from apiflask import APIFlask
from sqlalchemy import func, select, text

from tests.access import add_token, database_of
from tests.engines.process import wait_until
from tests.engines.redis import RedisServer
from tests.integration.api.caller import unique
from tests.integration.api.serving import Gunicorn
from webapp.auth.roles import Role
from webapp.models.tenant import Tenant
from webapp.settings import Settings

SEED = int(os.environ.get("PARATIA_TEST_SEED", "7"))
KILLS = 5
# Death at any moment is met on both databases; what the client is told does not depend on them.
ON_POSTGRES = pytest.mark.parametrize("settings", ["postgresql"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def redis(new_directory: Callable[[str], Path]) -> Iterator[RedisServer]:
    server = RedisServer(new_directory("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def redis_url(redis: RedisServer) -> str:
    return redis.url


@pytest.fixture(scope="module")
def gunicorn(
    app: APIFlask, settings: Settings, new_directory: Callable[[str], Path]
) -> Iterator[Gunicorn]:
    """A server whose worker is there again soon after its death."""
    server = Gunicorn(settings, new_directory("web") / "web.log", "--preload")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def headers(app: APIFlask) -> dict[str, str]:
    return {"Authorization": f"Bearer {add_token(app, Role.OPERATOR)}"}


class Client:
    """Creates one tenant, repeating the call until it is answered."""

    def __init__(self, gunicorn: Gunicorn, headers: dict[str, str]) -> None:
        self.name = unique("client")
        self._address = f"{gunicorn.address}/api/tenants"
        self._headers = {**headers, "Idempotency-Key": self.name}

    def send(self) -> httpx.Response | None:
        body = {"name": self.name, "slug": self.name}
        try:
            return httpx.post(self._address, json=body, headers=self._headers, timeout=30)
        except httpx.TransportError:
            return None

    def repeat(self) -> httpx.Response:
        return wait_until(self.send, 20, "an answer")


def kill(gunicorn: Gunicorn) -> None:
    """End the worker without a warning, and wait for the next one."""
    pid = gunicorn.worker_pid()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gunicorn.worker_pid() not in {0, pid}, 20, "the next worker")


def tenants(app: APIFlask, name: str) -> int:
    """How many have this name, as the database has it."""
    with database_of(app).reading() as session:
        return session.scalar(select(func.count()).where(Tenant.name == name)) or 0


def assert_made_once(app: APIFlask, client: Client) -> httpx.Response:
    """One tenant, and every further repeat is told the same."""
    first, second = client.repeat(), client.repeat()
    assert (first.status_code, first.content) == (201, second.content)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert tenants(app, client.name) == 1
    return first


@pytest.fixture
def calls() -> Iterator[Callable[[Client], "Future[httpx.Response | None]"]]:
    with ThreadPoolExecutor(4) as pool:
        yield lambda client: pool.submit(client.send)


@ON_POSTGRES
def test_first_tenant_is_answered_when_the_server_died_after_the_commit(
    app: APIFlask,
    gunicorn: Gunicorn,
    headers: dict[str, str],
    redis: RedisServer,
    calls: Callable[[Client], "Future[httpx.Response | None]"],
) -> None:
    client = Client(gunicorn, headers)
    redis.freeze()
    try:
        call = calls(client)
        wait_until(lambda: tenants(app, client.name), 10, "the commit")
        kill(gunicorn)
    finally:
        redis.thaw()
    assert call.result() is None
    assert assert_made_once(app, client).headers["Idempotent-Replayed"] == "true"


# SQLite would keep the call waiting before its transaction, not in the middle.
@ON_POSTGRES
def test_tenant_is_made_by_the_repeat_when_the_server_died_before_the_commit(
    app: APIFlask,
    gunicorn: Gunicorn,
    headers: dict[str, str],
    calls: Callable[[Client], "Future[httpx.Response | None]"],
) -> None:
    client = Client(gunicorn, headers)
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with database_of(app).transaction() as holder, database_of(app).reading() as watcher:
        holder.add(Tenant(name="in the way", slug=client.name))
        holder.flush()
        call = calls(client)
        wait_until(lambda: watcher.scalar(waiting), 10, "the server to stand in the middle")
        kill(gunicorn)
        holder.rollback()
    assert call.result() is None
    assert_made_once(app, client)


def test_one_tenant_is_made_when_the_server_dies_at_any_point(
    app: APIFlask,
    gunicorn: Gunicorn,
    headers: dict[str, str],
    calls: Callable[[Client], "Future[httpx.Response | None]"],
) -> None:
    moments = random.Random(SEED)
    for _ in range(KILLS):
        client = Client(gunicorn, headers)
        call = calls(client)
        # Anywhere between the connection and the answer.
        threading.Event().wait(moments.uniform(0, 0.04))
        kill(gunicorn)
        call.result()
        assert_made_once(app, client)


@ON_POSTGRES
def test_all_are_answered_alike_when_the_server_dies_under_20_repeats(
    app: APIFlask, gunicorn: Gunicorn, headers: dict[str, str]
) -> None:
    client = Client(gunicorn, headers)
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(client.repeat) for _ in range(20)]
        time.sleep(0.01)
        kill(gunicorn)
        answers = [call.result() for call in calls]
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert tenants(app, client.name) == 1
