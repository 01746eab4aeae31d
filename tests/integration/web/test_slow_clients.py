"""Clients that send or take too slowly are given up on, so that they cannot stop the others."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.engines.web import ANSWER_WITHIN_S, WebServer
from webapp.settings import Settings

# More than there are threads.
MANY = 30
IMPATIENT = """
from launch.gunicorn_conf import *
from launch import web_worker

web_worker.REQUEST_WITHIN_S = web_worker.ANSWER_TAKEN_WITHIN_S = 0.5
web_worker.CLOSED_WITHIN_S = 0.5
"""
HALF_REQUESTS = {
    "in the first line": b"GET /log",
    "in the headers": b"POST /login HTTP/1.1\r\nHost: a\r\nX-A: a",
    "in the body": b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nemail=",
    "in a body that nobody reads": b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{",
    "in a chunk": b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
}


@pytest.fixture(scope="module")
def impatient(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """The same server, which gives up after half a second."""
    folder: Path = tmp_path_factory.mktemp("impatient")
    (folder / "conf.py").write_text(IMPATIENT)
    server = WebServer(folder, settings, config=folder / "conf.py")
    server.start()
    yield server
    server.kill()


def connections(server: WebServer, sent: bytes, open_ones: ExitStack) -> list[socket.socket]:
    """Many connections that have sent these bytes, and stay open."""
    made = [open_ones.enter_context(server.connect()) for _ in range(MANY)]
    for one in made:
        one.sendall(sent)
    return made


def serves(server: WebServer) -> bool:
    answer = httpx.get(f"{server.address}/healthz", timeout=ANSWER_WITHIN_S)
    return answer.status_code == 200


@pytest.mark.parametrize("sent", HALF_REQUESTS.values(), ids=HALF_REQUESTS)
def test_others_are_served_when_half_requests_stand(impatient: WebServer, sent: bytes) -> None:
    with ExitStack() as open_ones:
        slow = connections(impatient, sent, open_ones)
        assert serves(impatient)
        for one in slow:
            while one.recv(65_536):
                continue


def test_others_are_served_when_answers_are_not_taken(impatient: WebServer) -> None:
    page = "/static/vendor/swagger-ui/swagger-ui-bundle.js"
    with ExitStack() as open_ones:
        asked = f"GET {page} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        # So many bytes that no buffers on the way take them all.
        for one in connections(impatient, asked * 20, open_ones):
            # The last of them is begun only when those before it have been given up.
            assert one.recv(1, socket.MSG_PEEK) == b"H"
        assert serves(impatient)
    assert "Traceback" not in impatient.log.read_text()


def test_others_are_served_when_clients_do_not_close_what_is_over(
    impatient: WebServer,
) -> None:
    with ExitStack() as open_ones:
        over = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        for one in connections(impatient, over, open_ones):
            assert one.recv(65_536).startswith(b"HTTP/1.1 200")
        assert serves(impatient)
