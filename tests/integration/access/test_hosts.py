"""ALLOWED_HOSTS: which hosts are answered."""

import pytest
from apiflask import APIFlask

from tests.access import MakeApp
from webapp.settings import load_settings

# Names with a label that is empty or too long.
UNEVEN = ("a..b", ".example.com", ".", "..", "example.com..", f"{'a' * 64}.example.com")


def status_for(app: APIFlask, host: str, path: str = "/login", scheme: str = "http") -> int:
    """What a request with this Host header gets; never anything that repeats the host."""
    answer = app.test_client().get(path, headers={"Host": host}, base_url=f"{scheme}://localhost")
    if answer.status_code == 400:
        assert not host.strip(".") or host not in answer.text
        assert "nosniff" in answer.headers["X-Content-Type-Options"]
        assert "Set-Cookie" not in answer.headers
    return answer.status_code


def hosts(text: str) -> tuple[str, ...]:
    """The setting as it is written."""
    return load_settings({"ALLOWED_HOSTS": text}).allowed_hosts


@pytest.mark.parametrize(
    ("allowed", "host", "is_served"),
    [
        ("", "anything.test:99", True),
        ("panel.example.com", "panel.example.com", True),
        ("panel.example.com", "Panel.Example.com:8443", True),
        ("panel.example.com", "panel.example.com.", True),
        ("panel.example.com", "a.panel.example.com", False),
        ("panel.example.com", "panel.example.com.evil.test", False),
        ("other.test, panel.example.com", "panel.example.com", True),
        (".example.com", "a.b.example.com", True),
        (".example.com", "example.com", True),
        (".example.com", "evilexample.com", False),
        *((".example.com", host, False) for host in UNEVEN),
        ("panel.example.com:8443", "panel.example.com:8443", True),
        ("panel.example.com:8443", "panel.example.com", False),
        ("panel.example.com:80", "panel.example.com", True),
        ("panel.example.com:443", "panel.example.com", False),
        ("[::1]:8000", "[::1]:8000", True),
        ("127.0.0.1", "[::1]", False),
        ("127.0.0.1", "127.0.0.1:8000", True),
    ],
)
def test_a_host_is_answered_when_it_is_allowed(
    make_app: MakeApp, allowed: str, host: str, is_served: bool
) -> None:
    app = make_app(allowed_hosts=hosts(allowed))
    assert status_for(app, host) == (200 if is_served else 400)


def test_the_port_of_the_scheme_counts_when_none_is_written(
    make_app: MakeApp,
) -> None:
    app = make_app(allowed_hosts=hosts("panel.example.com:443"))
    assert status_for(app, "panel.example.com", scheme="https") == 200


def test_refusals_below_the_api_are_problems(make_app: MakeApp) -> None:
    app = make_app(allowed_hosts=hosts("panel.example.com"))
    answer = app.test_client().get("/api/tenants", headers={"Host": "evil.test"})
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert "ALLOWED_HOSTS" in answer.get_json(force=True)["detail"]


def test_probes_are_answered_when_they_ask_by_address(make_app: MakeApp) -> None:
    app = make_app(allowed_hosts=hosts("panel.example.com"))
    for path in ("/healthz", "/readyz"):
        assert status_for(app, "10.0.0.7:8000", path) != 400


def test_what_cannot_be_a_host_is_refused_whatever_is_allowed(app: APIFlask) -> None:
    for host in ("[::1", "a b", "a/b", "a@b", "a:b", "ä", "", "a" * 300, "a\x00", *UNEVEN):
        for path in ("/login", "/healthz", "/api/tenants"):
            answer = app.test_client().get(path, environ_overrides={"HTTP_HOST": host})
            assert answer.status_code == 400, (host, path)
