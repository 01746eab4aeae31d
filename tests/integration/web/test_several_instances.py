"""Two instances behind the README's `upstream`, word for word, restarted one by one."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import skip_when_switched_off
from tests.engines.nginx import NAME, Nginx, several_instances
from tests.engines.process import wait_until
from tests.engines.web import ANSWER_WITHIN_S, WebServer
from webapp.settings import Settings

CLIENTS = 3
# A client's pause after each answer: a restart meets some fifty sign-ups and not some hundreds.
REST_S = 0.05
# What an instance writes for each sign-up that it has taken.
TAKEN = '"status": 201'
SERVES_WITHIN_S = 60.0


@pytest.fixture
def instances(
    settings: Settings, new_directory: Callable[[str], Path]
) -> Iterator[list[WebServer]]:
    skip_when_switched_off(NAME)
    with ExitStack() as held:
        started = [
            WebServer(new_directory(name), settings, TRUSTED_PROXIES="1") for name in ("a", "b")
        ]
        for each in started:
            held.callback(each.kill)
            each.start()
        yield started


@contextmanager
def signing_up(address: str, token: str) -> Iterator[Counter[str]]:
    """Clients that repeat nothing; counts what each sign-up came to."""
    outcomes, ended = Counter[str](), threading.Event()
    headers = {"Authorization": f"Bearer {token}"}

    def sign_up() -> None:
        with httpx.Client(
            base_url=address, headers=headers, verify=False, timeout=ANSWER_WITHIN_S
        ) as client:
            while not ended.wait(REST_S):
                try:
                    answer = client.post("/api/tenants", json={"name": "Acme"})
                    outcomes[str(answer.status_code)] += 1
                except httpx.TransportError as error:
                    outcomes[repr(error)] += 1

    threads = [threading.Thread(target=sign_up) for _ in range(CLIENTS)]
    for each in threads:
        each.start()
    try:
        yield outcomes
    finally:
        ended.set()
        for each in threads:
            each.join()


def await_sign_up_at(instance: WebServer) -> None:
    """Until nginx passes sign-ups to it, as after the pause that the runbook names."""
    before = taken(instance)
    wait_until(lambda: taken(instance) > before, SERVES_WITHIN_S, "a sign-up at the instance")


def taken(instance: WebServer) -> int:
    return instance.log.read_text().count(TAKEN)


def test_every_sign_up_is_answered_when_instances_are_restarted_one_by_one(
    instances: list[WebServer], token: str, new_directory: Callable[[str], Path]
) -> None:
    nginx = Nginx(new_directory("nginx"), several_instances([each.port for each in instances]))
    nginx.start()
    try:
        with signing_up(nginx.address, token) as outcomes:
            for each in instances:
                await_sign_up_at(each)
                each.restart()
                await_sign_up_at(each)
    finally:
        nginx.stop()
    assert set(outcomes) == {"201"}, outcomes
