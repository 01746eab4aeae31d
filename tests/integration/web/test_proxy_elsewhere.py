"""Panel and API on an address of their own, whose proxy has another one."""

from collections.abc import Iterator

import httpx
import pytest

from tests.engines.web import ANSWER_WITHIN_S, WebServer
from webapp.settings import Settings

HOST, PROXY, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.4"
SAYS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}


@pytest.fixture(scope="module")
def web(settings: Settings) -> Iterator[WebServer]:
    server = WebServer(settings.var_dir, settings, HOST=HOST, TRUSTED_PROXIES=f"{PROXY},10.0.0.0/8")
    server.start()
    yield server
    server.kill()


def page(web: WebServer, peer: str) -> httpx.Response:
    """The login, as a client at this address asks for it with the headers of a proxy."""
    transport = httpx.HTTPTransport(local_address=peer)
    with httpx.Client(transport=transport, timeout=ANSWER_WITHIN_S) as client:
        return client.get(f"{web.address}/login", headers=SAYS)


def test_only_the_proxy_is_believed(web: WebServer) -> None:
    believed, forged = page(web, PROXY), page(web, STRANGER)
    assert "Secure" in believed.headers["Set-Cookie"]
    assert "max-age" in believed.headers["Strict-Transport-Security"]
    assert "Secure" not in forged.headers["Set-Cookie"]
    assert "Strict-Transport-Security" not in forged.headers


def test_nothing_listens_at_another_address(web: WebServer) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{web.port}/healthz")
