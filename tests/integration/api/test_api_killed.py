"""The web server dies in the middle of a call, and the client repeats it."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiflask import APIFlask
from sqlalchemy import func, select, text

from tests.access import add_token, database_of
from tests.engines.process import wait_until
from tests.engines.redis import RedisServer
from tests.engines.web import WebServer
from tests.integration.api.caller import unique, web_server
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
) -> Iterator[WebServer]:
    """A server whose worker is there again soon after its death."""
    server = web_server(settings, new_directory("web"), "--preload")
    server.start()
    yield server
    server.stop()


class Client:
    """Creates one tenant on a server that is killed, repeating the call until it is answered."""

    def __init__(self, app: APIFlask, gunicorn: WebServer, pool: ThreadPoolExecutor) -> None:
        self.name = unique("client")
        self.database = database_of(app)
        self._gunicorn = gunicorn
        self._pool = pool
        secret = add_token(app, Role.OPERATOR)
        self._headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": self.name}

    def send(self) -> httpx.Response | None:
        address, body = f"{self._gunicorn.address}/api/tenants", {"name": self.name}
        try:
            return httpx.post(
                address, json=body | {"slug": self.name}, headers=self._headers, timeout=30
            )
        except httpx.TransportError:
            return None

    def repeat(self) -> httpx.Response:
        return wait_until(self.send, 20, "an answer")

    def begin(self, times: int = 1, *, repeat: bool = False) -> list["Future[Any]"]:
        """Send it in the background."""
        return [self._pool.submit(self.repeat if repeat else self.send) for _ in range(times)]

    def kill_server(self) -> None:
        """End the worker without a warning, and wait for the next one."""
        (pid,) = self._workers()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: set(self._workers()) - {pid}, 20, "the next worker")

    def _workers(self) -> list[int]:
        master = self._gunicorn.pid
        return list(map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split()))

    def tenants(self) -> int:
        """How many have this name, as the database has it."""
        with self.database.reading() as session:
            return session.scalar(select(func.count()).where(Tenant.name == self.name)) or 0

    def assert_made_once(self) -> httpx.Response:
        """One tenant, and every further repeat is told the same."""
        first, second = self.repeat(), self.repeat()
        assert (first.status_code, first.content) == (201, second.content)
        assert second.headers["Idempotent-Replayed"] == "true"
        assert self.tenants() == 1
        return first


@pytest.fixture
def new_client(app: APIFlask, gunicorn: WebServer) -> Iterator[Callable[[], Client]]:
    with ThreadPoolExecutor(20) as pool:
        yield lambda: Client(app, gunicorn, pool)


@pytest.fixture
def client(new_client: Callable[[], Client]) -> Client:
    return new_client()


@ON_POSTGRES
def test_first_tenant_is_answered_when_the_server_died_after_the_commit(
    client: Client, redis: RedisServer
) -> None:
    redis.freeze()
    try:
        (call,) = client.begin()
        wait_until(client.tenants, 10, "the commit")
        client.kill_server()
    finally:
        redis.thaw()
    assert call.result() is None
    assert client.assert_made_once().headers["Idempotent-Replayed"] == "true"


# SQLite would keep the call waiting before its transaction, not in the middle.
@ON_POSTGRES
def test_tenant_is_made_by_the_repeat_when_the_server_died_before_the_commit(
    client: Client,
) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with client.database.transaction() as holder, client.database.reading() as watcher:
        holder.add(Tenant(name="in the way", slug=client.name))
        holder.flush()
        (call,) = client.begin()
        wait_until(lambda: watcher.scalar(waiting), 10, "the server to stand in the middle")
        client.kill_server()
        holder.rollback()
    assert call.result() is None
    client.assert_made_once()


def test_one_tenant_is_made_when_the_server_dies_at_any_point(
    new_client: Callable[[], Client],
) -> None:
    moments = random.Random(SEED)
    for _ in range(KILLS):
        client = new_client()
        (call,) = client.begin()
        # Anywhere between the connection and the answer.
        threading.Event().wait(moments.uniform(0, 0.04))
        client.kill_server()
        call.result()
        client.assert_made_once()


@ON_POSTGRES
def test_all_are_answered_alike_when_the_server_dies_under_20_repeats(client: Client) -> None:
    calls = client.begin(20, repeat=True)
    time.sleep(0.01)
    client.kill_server()
    answers = [call.result() for call in calls]
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert client.tenants() == 1
