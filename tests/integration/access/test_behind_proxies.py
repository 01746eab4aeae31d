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


def login_from(app: APIFlask, *forwarded: str, password: str | None = None) -> int:
    """Log in through the proxies, each of which adds an address to the header."""
    visitor = Visitor(app, PEER)
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
