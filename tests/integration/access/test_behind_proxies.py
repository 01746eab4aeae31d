"""Where a visitor comes from, as the audit and the limit on guesses see it behind proxies."""

from http import HTTPStatus

import pytest
from apiflask import APIFlask
from sqlalchemy import select

from tests.access import MakeApp, Rows, Visitor, add_user, new_address
from webapp.models.audit import AuditEntry

PEER = "127.0.0.1"
UNREADABLE = (
    *("unknown", "x" * 5000, "[::1", "", "," * 4096, "fe80::1%" + "x" * 300, "fe80::1%eth0"),
    *("[fe80::1%25" + "x" * 300 + "]:1", "203.0.113.\xb2"),
)


def login_from(
    app: APIFlask, *forwarded: str, password: str | None = None, peer: str = PEER
) -> int:
    """Log in through the proxies, each of which adds an address to the header."""
    visitor = Visitor(app, peer)
    visitor.client.environ_base["HTTP_X_FORWARDED_FOR"] = ", ".join(forwarded)
    email = add_user(app)
    answer = visitor.login(email, password) if password else visitor.login(email)
    return answer.status_code


def last_address(app: APIFlask) -> str | None:
    """Where the audit says that its last entry came from."""
    newest = select(AuditEntry.address).order_by(AuditEntry.id.desc()).limit(1)
    return Rows(app).rows(newest)[0]


@pytest.mark.parametrize(
    ("proxies", "seen"),
    [
        (0, {"203.0.113.7": PEER}),
        (
            1,
            {
                "203.0.113.7": "203.0.113.7",
                "192.0.2.99, 203.0.113.7": "203.0.113.7",
                "203.0.113.7:51234": "203.0.113.7",
                "2001:db8::7": "2001:db8::7",
                '"[2001:db8::7]:51234"': "2001:db8::7",
                "203.0.113.7, ": "203.0.113.7",
                "::ffff:203.0.113.7": "203.0.113.7",
                "[::ffff:203.0.113.7]:51234": "203.0.113.7",
                "203.0.113.7:": "203.0.113.7",
                **dict.fromkeys(UNREADABLE, PEER),
            },
        ),
        (2, {"192.0.2.99, 203.0.113.7, 10.0.0.1": "203.0.113.7", "203.0.113.7": PEER}),
    ],
)
def test_the_audit_has_what_the_outermost_of_our_proxies_saw(
    make_app: MakeApp, proxies: int, seen: dict[str, str]
) -> None:
    app = make_app(trusted_proxies=proxies)
    for forwarded, address in seen.items():
        assert login_from(app, forwarded) == HTTPStatus.FOUND
        assert last_address(app) == address, forwarded


def test_a_scheme_counts_in_capitals_too(make_app: MakeApp) -> None:
    visitor = Visitor(make_app(trusted_proxies=1), PEER)
    answer = visitor.get("/login", headers={"X-Forwarded-Proto": "HTTPS"})
    assert "Strict-Transport-Security" in answer.headers


def test_guesses_are_counted_by_visitor_whatever_they_write_into_the_header(
    make_app: MakeApp,
) -> None:
    app, guesser = make_app(trusted_proxies=1), new_address()
    guesses = [login_from(app, new_address(), guesser, password="wrong guess") for _ in range(11)]
    assert guesses == [HTTPStatus.OK] * 10 + [HTTPStatus.TOO_MANY_REQUESTS]
    assert login_from(app, new_address()) == HTTPStatus.FOUND


OURS = "10.0.0.5,10.1.0.0/16,fd00::/8"


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        # One proxy, two, and one that is written as IPv6.
        ("10.0.0.5", "203.0.113.7", "203.0.113.7"),
        ("10.1.2.3", "203.0.113.7, 10.0.0.5", "203.0.113.7"),
        ("::ffff:10.0.0.5", "203.0.113.7, ::ffff:10.1.9.9", "203.0.113.7"),
        ("fd00::1", "2001:db8::7, 10.0.0.5:8443", "2001:db8::7"),
        # What the visitor wrote stands before what our outermost proxy saw.
        ("10.0.0.5", "192.0.2.99, 10.0.0.5, 203.0.113.7", "203.0.113.7"),
        # The visitor is one of ours; there is nobody else.
        ("10.0.0.5", "10.1.2.3", "10.1.2.3"),
        ("10.0.0.5", "", "10.0.0.5"),
        # An entry that is no address ends the walk at the proxy that wrote it.
        ("10.0.0.5", "203.0.113.7, unknown", "10.0.0.5"),
        ("10.0.0.5", "203.0.113.7, _hidden, 10.1.0.1", "10.1.0.1"),
        # A peer that is none of ours is the visitor, whatever it says.
        ("10.0.0.6", "203.0.113.7", "10.0.0.6"),
        ("198.51.100.9", "203.0.113.7, 10.0.0.5", "198.51.100.9"),
        ("::ffff:198.51.100.9", "203.0.113.7", "198.51.100.9"),
    ],
)
def test_the_hops_are_walked_while_they_are_ours(
    make_app: MakeApp, peer: str, forwarded: str, seen: str
) -> None:
    app = make_app(trusted_proxies=OURS)
    assert login_from(app, forwarded, peer=peer) == HTTPStatus.FOUND
    assert last_address(app) == seen


FORGED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-For": "203.0.113.7",
}


@pytest.mark.parametrize(
    ("proxies", "peer"), [("0", PEER), ("10.0.0.5", "10.0.0.6"), ("10.1.0.0/16", "10.2.0.1")]
)
def test_a_forged_header_has_no_effect_when_its_peer_is_no_proxy_of_ours(
    make_app: MakeApp, proxies: str, peer: str
) -> None:
    visitor = Visitor(make_app(trusted_proxies=proxies), peer)
    answer = visitor.get("/admin/", headers=FORGED)
    assert answer.location == "/login?next=/admin/"
    assert "Strict-Transport-Security" not in answer.headers
    assert "Secure" not in visitor.get("/login", headers=FORGED).headers["Set-Cookie"]


@pytest.mark.parametrize(("proxies", "peer"), [("1", PEER), ("10.1.0.0/16", "10.1.0.9")])
def test_scheme_and_prefix_are_those_of_the_proxy_when_it_is_ours(
    make_app: MakeApp, proxies: str, peer: str
) -> None:
    visitor = Visitor(make_app(trusted_proxies=proxies), peer)
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/paratia"}
    answer = visitor.get("/login", headers=headers)
    assert "Strict-Transport-Security" in answer.headers
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Secure-") and "Secure;" in cookie and "Path=/paratia/" in cookie
    assert visitor.get("/admin/", headers=headers).location.startswith("/paratia/login")
