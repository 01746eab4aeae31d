"""The proxy does to a connection what its mode says."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.engines.process import wait_until
from tests.engines.proxy import Mode, Proxy


class Echo(socketserver.ThreadingTCPServer):
    """A server that answers each piece with itself, and keeps what arrived."""

    received = b""

    def finish_request(self, request: Any, client_address: object) -> None:
        with suppress(OSError):
            while piece := request.recv(1000):
                self.received += piece
                request.sendall(piece)


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo(("127.0.0.1", 0), socketserver.BaseRequestHandler) as echo:
        threading.Thread(target=echo.serve_forever, args=(0.01,)).start()
        yield echo
        echo.shutdown()


@pytest.fixture
def proxy(server: Echo) -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", server.server_address[1])) as running:
        yield running


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def answer(client: socket.socket, said: bytes) -> bytes:
    client.sendall(said)
    return client.recv(1000)


def assert_silent(client: socket.socket) -> None:
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1000)
    client.settimeout(5)


def assert_reset(client: socket.socket) -> None:
    with pytest.raises(ConnectionResetError):
        client.recv(1000)


def test_connections_are_refused_and_old_ones_reset_until_it_passes_again(proxy: Proxy) -> None:
    with connected(proxy) as client:
        assert answer(client, b"hello") == b"hello"
        proxy.switch(Mode.REFUSE)
        assert_reset(client)
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.switch(Mode.PASS)
    with connected(proxy) as client:
        assert answer(client, b"hello") == b"hello"


def test_everything_is_swallowed_when_it_hangs(proxy: Proxy, server: Echo) -> None:
    with connected(proxy) as old:
        assert answer(old, b"before") == b"before"
        proxy.switch(Mode.HANG)
        with connected(proxy) as new:
            for client in (old, new):
                client.sendall(b"lost")
                assert_silent(client)
            assert server.received == b"before"
            proxy.switch(Mode.PASS)
            assert_reset(old)
            assert_reset(new)


def test_client_is_reset_after_its_request_arrived_when_answers_are_cut(
    proxy: Proxy, server: Echo
) -> None:
    proxy.switch(Mode.CUT)
    with connected(proxy) as client:
        client.sendall(b"done")
        assert_reset(client)
    assert server.received == b"done"


def test_action_decides_over_the_piece_when_its_bytes_are_seen(proxy: Proxy, server: Echo) -> None:
    seen = proxy.watch(b"tenant_17", lambda: proxy.switch(Mode.RESET))
    with connected(proxy) as client:
        assert answer(client, b"tenant_16") == b"tenant_16"
        assert not seen.is_set()
        client.sendall(b"tenant_17")
        assert_reset(client)
    assert seen.is_set()
    assert server.received == b"tenant_16"


def test_action_comes_after_the_effect_when_answers_are_watched(proxy: Proxy, server: Echo) -> None:
    received: list[bytes] = []
    seen = proxy.watch(b"hello", lambda: received.append(server.received), answers=True)
    with connected(proxy) as client:
        assert answer(client, b"hello") == b"hello"
    assert seen.is_set()
    assert received == [b"hello"]


def test_piece_alone_comes_late_when_it_is_held(proxy: Proxy, server: Echo) -> None:
    seen = proxy.watch(b"tenant_17", hold_s=0.4)
    with connected(proxy) as leaving:
        leaving.sendall(b"tenant_17")
        assert seen.wait(5)
    with connected(proxy) as other:
        assert answer(other, b"other,") == b"other,"
    wait_until(lambda: server.received == b"other,tenant_17", 5, "the held request to arrive")
