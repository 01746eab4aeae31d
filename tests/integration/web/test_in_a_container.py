"""As in a container: one folder can be written, and the proxy has another address."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.access import CSRF_FIELD, PASSWORD
from tests.engines.read_only import python_path
from tests.engines.web import ANSWER_WITHIN_S, WebServer
from tests.integration.web.conftest import EMAIL
from webapp.settings import Settings

HOST, PROXY, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.4"
SAYS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}


@pytest.fixture(scope="module")
def web(settings: Settings, new_directory: Callable[[str], Path]) -> Iterator[WebServer]:
    only_there = python_path(new_directory("read-only"), settings.var_dir)
    proxies = f"{PROXY},10.0.0.0/8"
    server = WebServer(
        settings.var_dir, settings, HOST=HOST, TRUSTED_PROXIES=proxies, PYTHONPATH=only_there
    )
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


def test_a_large_file_is_taken_when_one_folder_alone_can_be_written(web: WebServer) -> None:
    with httpx.Client(base_url=web.address, timeout=ANSWER_WITHIN_S) as client:

        def token(page: str) -> str:
            found = CSRF_FIELD.search(client.get(page).text)
            assert found
            return found[1]

        user = {"email": EMAIL, "password": PASSWORD, "csrf_token": token("/login")}
        assert client.post("/login", data=user).status_code == 302
        # Werkzeug puts a file of more than 500 KB into a temporary one.
        rows = "\n".join(["name", *(f"Tenant {number} {'x' * 80}" for number in range(9000))])
        answer = client.post(
            "/admin/import/check/",
            data={"csrf_token": token("/admin/import/")},
            files={"file": ("tenants.csv", rows)},
        )
    assert answer.headers["Location"].startswith("/admin/import/show/")
