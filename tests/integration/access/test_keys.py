"""The signing key is changed without logging anyone out, and two keys at once make no loop."""

import html
import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from apiflask import APIFlask
from structlog.testing import capture_logs

from tests.access import PASSWORD, MakeApp, Visitor, add_user
from webapp.auth.roles import Role

OLD, NEW, OLDEST = "an old key of sixteen", "a new key of sixteen", "the oldest of the keys"
FORM = "/admin/tenant/new/"
OURS = {"Origin": "http://localhost"}
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


def tab(app: APIFlask, of: Visitor) -> Visitor:
    """The same browser, whose next request is served by another instance."""
    visitor = Visitor(app)
    visitor.share_cookies(of)
    return visitor


def hidden(page: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in HIDDEN.findall(page)}


def test_a_session_and_its_forms_go_on_when_the_key_has_become_an_older_one(
    make_app: MakeApp,
) -> None:
    before = Visitor(make_app(secret_key=OLD))
    before.enter(Role.OPERATOR)
    typed = {"name": "Acme", "slug": "acme", "csrf_token": before.csrf_token(FORM)}
    renewed = make_app(secret_key=NEW, secret_key_fallbacks=f"{OLDEST},{OLD}")
    after = tab(renewed, before)
    # The form that was open during the change.
    assert after.post(FORM, typed, headers=OURS).location.startswith("/admin/tenant/details/")
    # One page later the session is signed with the new key, and the old one can go.
    last = tab(make_app(secret_key=NEW), after)
    assert last.is_logged_in()
    assert last.logout().status_code == 302
    assert not tab(renewed, last).is_logged_in()


def test_a_login_page_that_was_open_works_when_the_key_has_become_an_older_one(
    make_app: MakeApp,
) -> None:
    before = Visitor(make_app(secret_key=OLD))
    user = {"email": add_user(before.app), "password": PASSWORD}
    fields = hidden(before.page("/login?next=/admin/audit/"))
    after = tab(make_app(secret_key=NEW, secret_key_fallbacks=OLD), before)
    assert after.post("/login", {**fields, **user}, headers=OURS).status_code == 302
    assert after.is_logged_in()


def test_a_key_that_is_no_older_one_is_refused(make_app: MakeApp) -> None:
    before = Visitor(make_app(secret_key=OLD))
    before.enter()
    assert not tab(make_app(secret_key=NEW, secret_key_fallbacks=OLDEST), before).is_logged_in()


def test_instances_accept_each_other_when_each_has_the_others_key(make_app: MakeApp) -> None:
    """As while they are restarted one after the other, in two steps."""
    first = Visitor(make_app(secret_key=OLD, secret_key_fallbacks=NEW))
    second = tab(make_app(secret_key=NEW, secret_key_fallbacks=OLD), first)
    email = add_user(first.app)
    for one, other in ((first, second), (second, first)):
        assert one.login(email).status_code == 302
        assert one.is_logged_in() and other.is_logged_in()
        assert other.logout().status_code == 302
        assert not one.is_logged_in() and not other.is_logged_in()


@pytest.fixture
def alternating(make_app: MakeApp) -> Iterator[tuple[Visitor, Visitor]]:
    """One browser before two instances of different keys."""
    one = Visitor(make_app(secret_key=OLD))
    return one, tab(make_app(secret_key=NEW), one)  # type: ignore[return-value]


def test_a_page_says_what_is_wrong_when_two_keys_would_make_a_loop(
    alternating: tuple[Visitor, Visitor],
) -> None:
    one, other = alternating
    one.login(add_user(one.app))
    with capture_logs() as logs:
        address, visited = "/admin/", []
        for instance in cycle((other, one)):
            answer = instance.get(address)
            visited.append(address)
            if not answer.location:
                break
            address = answer.location
            assert len(visited) < 10, visited
    assert answer.status_code == 503
    assert "SECRET_KEY" in answer.text and "SECRET_KEY_FALLBACKS" in answer.text
    (line,) = [each for each in logs if each["event"] == "auth.login.looped"]
    assert (line["log_level"], line["page"]) == ("error", "/admin/")
    # The instance that knows the session serves all other pages.
    assert one.get("/admin/").status_code == 200


def test_the_login_leads_on_when_it_is_opened_again(visitor: Visitor) -> None:
    visitor.enter()
    pages = ["/admin/", "/admin/tenant/", "/admin/", "/admin/tenant/", "/admin/audit/"]
    assert [visitor.get(f"/login?next={page}").location for page in pages] == pages
    for _ in range(3):
        visitor.change_session(put_redirects_back)
        assert visitor.get("/login?next=/admin/").location == "/admin/"
    # By a bookmark.
    assert [visitor.get("/login").location for _ in range(4)] == ["/admin/"] * 4


def put_redirects_back(session: dict[str, Any]) -> None:
    """As if the login had led on a minute ago."""
    session["sent_on"] = [[at - 60, page] for at, page in session["sent_on"]]


def test_the_login_says_what_is_wrong_when_it_is_refused_again(
    alternating: tuple[Visitor, Visitor],
) -> None:
    one, other = alternating
    user = {"email": add_user(one.app), "password": PASSWORD}
    first = other.post("/login", {**hidden(one.page("/login")), **user}, headers=OURS)
    assert (first.status_code, "older than your session" in first.text) == (400, True)
    with capture_logs() as logs:
        second = one.post("/login", {**hidden(first.text), **user}, headers=OURS)
    assert (second.status_code, "SECRET_KEY" in second.text) == (400, True)
    assert "auth.login.looped" in [line["event"] for line in logs]
    # Where cookies and keys are right, the same form works.
    assert one.post("/login", {**hidden(second.text), **user}, headers=OURS).status_code == 302
