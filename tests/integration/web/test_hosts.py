"""Which hosts are answered, and what a peer may say about the request's environment."""

import httpx
import pytest

from tests.engines.web import WebServer
from tests.integration.web.test_hostile_requests import headers_of, request, status_of


@pytest.mark.parametrize("path", ["/admin", "/", "/admin/tenant/", "/logout", "/rq"])
def test_no_redirect_names_the_host_that_was_sent(web: WebServer, path: str) -> None:
    answer = web.send(request("GET", path, Host="evil.test", **{"X-Forwarded-Host": "evil.test"}))
    assert status_of(answer) in {302, 308}
    assert headers_of(answer)["location"].startswith("/")
    assert b"evil.test" not in answer


@pytest.mark.parametrize(
    "name", ["SCRIPT_NAME", "SCRIPT-NAME", "PATH_INFO", "REMOTE_USER", "X-Forwarded-Prefix"]
)
@pytest.mark.parametrize("value", ["/admin", "//evil.test", "/nothing", "admin@example.test"])
def test_no_header_of_a_peer_changes_where_the_application_thinks_it_is(
    web: WebServer, name: str, value: str
) -> None:
    answer = web.send(request("GET", "/admin/tenant/", **{name: value}))
    assert status_of(answer) == 302
    assert headers_of(answer)["location"] == "/login?next=/admin/tenant/"


def test_the_scheme_is_not_taken_from_a_peer_when_no_proxy_is_trusted(web: WebServer) -> None:
    answer = httpx.get(f"{web.address}/login", headers={"X-Forwarded-Proto": "https"})
    assert "Strict-Transport-Security" not in answer.headers
    assert "secure" not in answer.headers["Set-Cookie"].lower()
