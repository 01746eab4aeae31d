"""The proxy does to a connection what its mode says."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.engines.process import wait_until
from tests.engines.proxy import Mode, Proxy


class Echo:
    """A server that answers each line with itself, and counts what arrived."""

    def __init__(self, listener: socket.socket) -> None:
        self.received = b""
        self.address = listener.getsockname()[:2]
        self._listener = listener
        self._open = [listener]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._answer, args=(connection,)))
            self._threads[-1].start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            while piece := connection.recv(1000):
                self.received += piece
                connection.sendall(piece)
        except OSError:
            return

    def close(self) -> None:
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def server() -> Iterator[Echo]:
    echo = Echo(socket.create_server(("127.0.0.1", 0)))
    yield echo
    echo.close()


@pytest.fixture
def proxy(server: Echo) -> Iterator[Proxy]:
    with Proxy(server.address) as running:
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
