"""Behind the nginx of the README, word for word: TLS on a port of its own, and below a path."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.access import CSRF_FIELD, PASSWORD
from tests.conftest import skip_when_switched_off
from tests.engines import nginx
from tests.engines.web import ANSWER_WITHIN_S, WebServer
from tests.integration.web.conftest import EMAIL
from webapp.settings import Settings

PREFIX = "/paratia"
# Where rq-dashboard says that it comes from.
ELSEWHERE = {"github.com", "python-rq.org"}
ADDRESS = re.compile(r'(?:href|src|action|hx-get|data-description)="([^"#<][^"<]*)"')
HALF_A_REQUEST = b"POST /paratia/login HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nemail="


@pytest.fixture(scope="module")
def upstream(settings: Settings) -> Iterator[WebServer]:
    skip_when_switched_off(nginx.NAME)
    server = WebServer(settings.var_dir, settings, TRUSTED_PROXIES="1")
    server.start()
    yield server
    server.kill()


def proxy_before(upstream: WebServer, folder: Path, block: str) -> Iterator[nginx.Nginx]:
    proxy = nginx.Nginx(folder, block, upstream.port)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def over_tls(upstream: WebServer, new_directory: Callable[[str], Path]) -> Iterator[nginx.Nginx]:
    yield from proxy_before(upstream, new_directory("tls"), nginx.readme_blocks()[0])


@pytest.fixture(scope="module")
def below_a_path(
    upstream: WebServer, new_directory: Callable[[str], Path]
) -> Iterator[nginx.Nginx]:
    yield from proxy_before(upstream, new_directory("path"), nginx.readme_blocks()[2])


@contextmanager
def browser(proxy: nginx.Nginx) -> Iterator[httpx.Client]:
    """Somebody in front of the proxy, with the headers that a browser sends."""
    with httpx.Client(base_url=proxy.address, verify=False, timeout=ANSWER_WITHIN_S) as client:
        client.headers["Referer"] = f"{proxy.address}/"
        yield client


def send_form(client: httpx.Client, page: str, address: str, **fields: str) -> httpx.Response:
    found = CSRF_FIELD.search(client.get(page).text)
    assert found
    return client.post(address, data={"csrf_token": found[1], **fields})


def log_in(client: httpx.Client, prefix: str = "", **fields: str) -> httpx.Response:
    page = f"{prefix}/login"
    return send_form(client, page, page, email=EMAIL, password=PASSWORD, **fields)


def test_the_login_works_when_tls_ends_at_a_port_of_its_own(over_tls: nginx.Nginx) -> None:
    with browser(over_tls) as client:
        answer = log_in(client)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
        assert "Secure" in answer.headers["Set-Cookie"]
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        assert client.get("/admin/").status_code == 200


def test_a_form_of_another_port_is_refused_when_it_is_another_site(over_tls: nginx.Nginx) -> None:
    with browser(over_tls) as client:
        client.headers["Referer"] = "https://127.0.0.1:1/"
        assert log_in(client).status_code == 400


def test_what_a_visitor_says_of_proxies_is_not_believed(over_tls: nginx.Nginx) -> None:
    forged = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Host": "evil.test"}
    forged |= {"X-Forwarded-Proto": "http", "X-Forwarded-For": "203.0.113.7"}
    with browser(over_tls) as client:
        client.headers.update(forged)
        assert client.get("/admin").headers["Location"] == "/login?next=/admin"
        answer = log_in(client)
        assert "Secure" in answer.headers["Set-Cookie"]
        audit = client.get("/admin/audit/").text
    assert "127.0.0.1" in audit
    assert "203.0.113.7" not in audit


@pytest.mark.parametrize("megabytes", [2, 4.5])
def test_bodies_reach_the_application_whatever_their_size(
    over_tls: nginx.Nginx, token: str, megabytes: float
) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with browser(over_tls) as client:
        body = b"[" + b" " * int(megabytes * 2**20) + b"]"
        answer = client.post("/api/tenants", content=body, headers=headers)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.status_code in {413, 422}


def test_others_are_served_when_slow_clients_stand_at_the_proxy(below_a_path: nginx.Nginx) -> None:
    with ExitStack() as open_ones, browser(below_a_path) as client:
        for _ in range(100):
            address = ("127.0.0.1", below_a_path.port)
            slow = open_ones.enter_context(socket.create_connection(address, ANSWER_WITHIN_S))
            slow.sendall(HALF_A_REQUEST)
        # None of them holds a thread of ours, though it takes five requests at once.
        assert [client.get(f"{PREFIX}/readyz").status_code for _ in range(5)] == [200] * 5


def addresses_in(answer: httpx.Response) -> set[str]:
    """Where the answer leads: what its page links to, shows and fetches, or its redirect."""
    if "Location" in answer.headers:
        return {urljoin(str(answer.url), answer.headers["Location"])}
    is_page = answer.headers.get("Content-Type", "").startswith("text/html")
    found = ADDRESS.findall(answer.text) if is_page else []
    absolute = {urljoin(str(answer.url), unescape(one)) for one in found}
    return {one for one in absolute if urlsplit(one).netloc not in ELSEWHERE}


def kind_of(address: str) -> str:
    """The path, in which all numbers are alike."""
    return re.sub(r"\d+", "N", urlsplit(address).path)


def crawl(client: httpx.Client, base: str, start: str) -> set[str]:
    """Follow each kind of address once; returns the kinds. None leads out of the base."""
    seen: set[str] = set()
    left = [start]
    while left:
        address = left.pop()
        if kind_of(address) in seen or "/static/" in address:
            continue
        seen.add(kind_of(address))
        answer = client.get(address)
        # Some addresses are for forms alone, which say more than a link.
        is_for_forms = answer.status_code == 405 or address.endswith("/review/")
        assert is_for_forms or answer.status_code in {200, 302, 308}, address
        found = addresses_in(answer)
        assert [one for one in found if not one.startswith(f"{base}/")] == [], address
        left += sorted(found)
    return seen


def test_every_address_of_every_page_stays_below_the_path(below_a_path: nginx.Nginx) -> None:
    page, base = f"{PREFIX}/admin/tenant/new/", f"{below_a_path.address}{PREFIX}"
    with browser(below_a_path) as client:
        log_in(client, PREFIX)
        made = send_form(client, page, page, name="Acme", slug="acme")
        assert made.headers["Location"].startswith(f"{PREFIX}/admin/tenant/details/")
        seen = crawl(client, base, f"{base}/admin/") | crawl(client, base, f"{base}/api/docs")
    for part in ("details/", "edit/", "live/"):
        assert f"{PREFIX}/admin/tenant/{part}" in seen
    for part in ("/admin/partitions/", "/admin/audit/", "/admin/import/", "/rq/"):
        assert f"{PREFIX}{part}" in seen
    assert any("export" in address for address in seen), seen


def test_redirects_and_cookies_stay_below_the_path(below_a_path: nginx.Nginx) -> None:
    with browser(below_a_path) as client:
        wanted = client.get(f"{PREFIX}/admin/tenant/?q=a%26b")
        assert (
            wanted.headers["Location"]
            == f"{PREFIX}/login?next={PREFIX}/admin/tenant/%3Fq%3Da%2526b"
        )
        language = send_form(
            client, f"{PREFIX}/login", f"{PREFIX}/language", language="it", next=f"{PREFIX}/login"
        )
        assert language.headers["Location"] == f"{PREFIX}/login"
        back = log_in(client, PREFIX, next=f"{PREFIX}/admin/tenant/?q=a%26b")
        assert back.headers["Location"] == f"{PREFIX}/admin/tenant/?q=a%26b"
        assert client.get(f"{PREFIX}/").headers["Location"] == f"{PREFIX}/admin/"
        assert client.get(f"{PREFIX}/rq/").status_code == 200
        assert client.get(f"{PREFIX}/admin").headers["Location"] == f"{PREFIX}/admin/"
        lost = client.get(f"{PREFIX}/nothing", headers={"HX-Request": "true"})
        assert (lost.status_code, f'href="{PREFIX}/admin/"' in lost.text) == (404, True)
        assert {cookie.path for cookie in client.cookies.jar} == {f"{PREFIX}/"}
        out = send_form(client, f"{PREFIX}/logout", f"{PREFIX}/logout")
        assert out.headers["Location"] == f"{PREFIX}/login"
        fragment = client.get(f"{PREFIX}/admin/live/", headers={"HX-Request": "true"})
        assert fragment.headers["HX-Redirect"] == f"{PREFIX}/login"
        # What lies beside the path is another site.
        assert log_in(client, PREFIX, next="/other/").headers["Location"] == f"{PREFIX}/admin/"


def test_the_api_says_where_it_is_when_it_is_below_a_path(
    below_a_path: nginx.Nginx, token: str
) -> None:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "below a path"}
    with browser(below_a_path) as client:
        client.headers.update(headers)
        made = client.post(f"{PREFIX}/api/tenants", json={"name": "Below"})
        assert made.headers["Location"] == f"{PREFIX}/api/tenants/{made.json()['id']}"
        assert client.get(made.headers["Location"]).json()["name"] == "Below"
        again = client.post(f"{PREFIX}/api/tenants", json={"name": "Below"})
        assert (again.content, again.headers["Location"]) == (
            made.content,
            made.headers["Location"],
        )
        described = client.get(f"{PREFIX}/api/openapi.json").json()
        assert described["servers"] == [{"url": PREFIX}]
        assert client.get(f"{PREFIX}/api/nothing").json()["code"] == "not_found"
