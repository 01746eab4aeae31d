"""A web server that stops answers whoever has connected, and refuses whoever comes later.

So a proxy may pass a refused sign-up on to another instance: nothing of it was sent.
"""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing

import psutil
import pytest

from tests.engines.process import accepts, wait_until
from tests.engines.web import ANSWER_WITHIN_S, WebServer
from webapp.settings import Settings

WAITING = 6
REQUEST = b"GET /healthz HTTP/1.0\r\n\r\n"


@pytest.fixture
def stopping(settings: Settings) -> Iterator[WebServer]:
    server = WebServer(settings.var_dir, settings)
    server.start()
    yield server
    server.kill()


def test_requests_that_wait_to_be_accepted_are_answered_when_it_stops(stopping: WebServer) -> None:
    workers = [each.pid for each in psutil.Process(stopping.pid).children()]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    with ExitStack() as held:
        waiting = [held.enter_context(stopping.connect()) for _ in range(WAITING)]
        for each in waiting:
            each.sendall(REQUEST)
        os.kill(stopping.pid, signal.SIGTERM)
        wait_until(
            lambda: "Handling signal: term" in stopping.log.read_text(),
            ANSWER_WITHIN_S,
            "the master to have the signal",
        )
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        answers = [each.recv(65_536).partition(b"\r\n")[0] for each in waiting]
    assert answers == [b"HTTP/1.0 200 OK"] * WAITING
    wait_until(lambda: not accepts(stopping.port), ANSWER_WITHIN_S, "the port to be closed")


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "stopped"])
def test_instance_that_was_killed_leaves_its_signs_of_life_to_tell_of_it(
    is_killed: bool, stopping: WebServer, settings: Settings
) -> None:
    workers = psutil.Process(stopping.pid).children()
    wanted = {each.pid for each in workers}
    wait_until(lambda: wanted <= alive(settings), ANSWER_WITHIN_S, "their signs of life")
    (stopping.kill if is_killed else stopping.stop)()
    psutil.wait_procs(workers, ANSWER_WITHIN_S)
    assert wanted & alive(settings) == (wanted if is_killed else set())


def alive(settings: Settings) -> set[int]:
    with closing(sqlite3.connect(settings.var_dir / "paratia.db")) as database:
        return {pid for (pid,) in database.execute("SELECT pid FROM process")}
