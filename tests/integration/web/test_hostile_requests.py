"""What anybody may send is answered with 4xx at worst, and every answer bears our headers."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import quote

import httpx
import pytest

from tests.access import PASSWORD
from tests.engines.web import WebServer
from tests.integration.web.conftest import EMAIL
from tests.integration.web.test_slow_clients import connections, serves

HEADERS = (
    *("content-security-policy", "x-content-type-options", "referrer-policy"),
    *("cross-origin-opener-policy", "cache-control"),
)
CSRF_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')

# What gunicorn itself refuses, before the application sees it.
REFUSED_BY_THE_SERVER = {
    "no request line": (b"GARBAGE\r\n\r\n", 400),
    "a space in the path": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a header without a name": (b"GET /api/x HTTP/1.1\r\n: x\r\n\r\n", 400),
    "a long line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "long headers": (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 9000 + b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"X-A: a\r\n" * 200 + b"\r\n", 431),
    "an unknown coding": (
        b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: rot13, chunked\r\n\r\n",
        501,
    ),
    "an unknown expectation": (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417),
    "an unknown protocol": (b"GET / HTTP/7.7\r\nHost: a\r\n\r\n", 400),
}

ODD_ADDRESSES = (
    *("http://[::1", "http://[::1]:99999/", "http://a:b:c/", "//[", "http://\xff\xfe/", "\x01"),
    *("http://evil.test\\@a/", "?" * 2000, "http://[v1.x]/", "/x\ny", "http://[fe80::1%a]/"),
)
ODD_PATHS = ("/x\n", "/x\r\ny: z", "/\\evil.test", "/\t/evil.test", "//evil.test")
HOSTS = (
    *("[::1", "a:b:c", "a:99999999", "a/b", "", "\xff", "[v1.x]", "a" * 3000, "a b", "'"),
    *("a..b", ".a", ".", "a" * 64, "xn--a", "xn--a.b", "a_b", "a:0", "[::::]", "xn--bcher-kva.de"),
)
ODD_HEADERS = {
    "Referer": ODD_ADDRESSES,
    "Origin": ODD_ADDRESSES,
    "Host": HOSTS,
    "Accept-Language": ("\xff", "it;q=x", "-" * 500, ",,,;;;", "x-" * 200, "it;q=1e999"),
    "Accept": ("\xff", "text/html;q=nan", "/" * 500),
    "Accept-Encoding": ("gzip;q=", ";q=x", "\xff", "gzip;q=nan", "*;q=0", "identity;q=0"),
    "Cookie": ("session=\xff", "session=.", "session=a.b.c", "=;=;", "language=\xff; language=xx"),
    "X-Request-ID": ("\xff", "a" * 4000, "{}"),
    "Authorization": ("Bearer \xff", "Basic \xff", "Bearer", "Digest x=,=", "Bearer " + "a" * 4000),
    "If-None-Match": ("\xff", '"', "W/", "*"),
    "If-Modified-Since": ("\xff", "0", "Thu, 99 Foo 99999 99:99:99 GMT"),
    "Range": ("bytes=99999999999999999999-", "bytes=-", "x=y", "bytes=5-1,2-0"),
    "Content-Type": ("\xff", "multipart/form-data", "multipart/form-data; boundary=", "a/b; c"),
    "X-Forwarded-For": ("\xff", "," * 4000),
    "X-Forwarded-Host": ODD_ADDRESSES,
    "X-Forwarded-Prefix": ("//evil.test", "\xff"),
    "HX-Request": ("true",),
}
PATHS = ("/login", "/nothing", "/admin/tenant/", "/api/tenants", "/static/nothing.css", "/admin")


def headers_of(answer: bytes) -> dict[str, str]:
    """The headers of the answer, by names in lower case."""
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def status_of(answer: bytes) -> int:
    """The status; 0 when there was no answer."""
    return int(answer[9:12] or 0)


def is_sound(answer: bytes) -> bool:
    """Whether nothing failed, and the answer bears our headers, whoever made it."""
    return 200 <= status_of(answer) < 500 and set(HEADERS) <= set(headers_of(answer))


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a request that asks for its connection to be closed."""
    lines = {"Host": "a", "Connection": "close"} | headers
    if body:
        lines["Content-Length"] = str(len(body))
    written = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{written}\r\n".encode("latin-1") + body


def with_odd_headers() -> Iterator[bytes]:
    """Each odd header at each path, as a page is asked for and as a form is sent."""
    for name, values in ODD_HEADERS.items():
        for value in values:
            for path in PATHS:
                yield request("GET", path, **{name: value})
            yield request("POST", "/login", b"x=1", **{name: value})
            yield request("POST", "/language", b"x=1", **{name: value})
            yield request("POST", "/api/tenants", b"x=1", **{name: value})


@pytest.mark.parametrize(
    ("sent", "status"), REFUSED_BY_THE_SERVER.values(), ids=REFUSED_BY_THE_SERVER
)
def test_what_the_server_refuses_bears_our_headers(
    web: WebServer, sent: bytes, status: int
) -> None:
    answer = web.send(sent)
    assert status_of(answer) == status
    assert set(HEADERS) <= set(headers_of(answer))


@pytest.mark.parametrize("path", ["/login", "/language", "/api/tenants"])
@pytest.mark.parametrize(
    "body", [b"zz\r\n", b"5\r\nhelloXX0\r\n\r\n", b"0x5\r\nhello\r\n", b"-5\r\n", b"1_0\r\n"]
)
def test_chunks_that_cannot_be_read_are_the_visitors_fault(
    web: WebServer, token: str, path: str, body: bytes
) -> None:
    kind = "application/json" if path.startswith("/api/") else "application/x-www-form-urlencoded"
    headers = {"Transfer-Encoding": "chunked", "Content-Type": kind}
    if path.startswith("/api/"):
        headers["Authorization"] = f"Bearer {token}"
    answer = web.send(request("POST", path, **headers) + body)
    assert (status_of(answer), is_sound(answer)) == (400, True)


def test_no_header_makes_the_application_fail(web: WebServer) -> None:
    answers = ((sent, web.send(sent)) for sent in with_odd_headers())
    failed = [(sent[:300], answer[:300]) for sent, answer in answers if not is_sound(answer)]
    assert failed == []


def test_no_path_or_query_makes_the_application_fail(web: WebServer) -> None:
    for path in ("/%ff%fe", "/%00", "/admin/%ed%a0%80/", "/api/%ff", "/rq/%ff"):
        for query in ("", "?%ff=%fe", "?q=%00", "?a[=]&&==", "?next=http://[::1"):
            answer = web.send(request("GET", path + query))
            assert is_sound(answer), (path, query, answer[:1000])


@pytest.mark.parametrize("wanted", [*ODD_ADDRESSES, *ODD_PATHS])
@pytest.mark.parametrize("where", ["/language", "/login"])
def test_no_address_to_go_to_makes_a_form_fail(web: WebServer, where: str, wanted: str) -> None:
    page = web.send(request("GET", "/login"))
    token = CSRF_FIELD.search(page.decode("latin-1"))
    assert token
    cookie = headers_of(page)["set-cookie"].partition(";")[0]
    fields = {"csrf_token": token[1], "language": "it", "next": wanted}
    fields |= {"email": EMAIL, "password": PASSWORD}
    body = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items()).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    answer = web.send(request("POST", where, body, **form))
    assert (status_of(answer), headers_of(answer)["location"]) == (302, "/admin/")
    assert is_sound(answer)


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


def test_others_are_served_when_connections_stay_silent(web: WebServer) -> None:
    with ExitStack() as open_ones:
        connections(web, b"", open_ones)
        assert serves(web)
