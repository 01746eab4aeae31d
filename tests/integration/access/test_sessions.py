"""Sessions end on the server, whatever cookies somebody kept."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask

from tests.access import SETUP, Visitor, add_user, database_of
from webapp.auth.users import change_user


def test_a_copied_cookie_is_dead_when_its_owner_logged_out(
    app: APIFlask, visitor: Visitor, another_visitor: Callable[[], Visitor]
) -> None:
    visitor.login(add_user(app))
    thief = another_visitor()
    thief.steal(visitor.session_cookie())
    assert thief.is_logged_in()
    assert visitor.logout().status_code == 302
    assert not visitor.is_logged_in()
    thief.steal(thief.session_cookie())
    assert not thief.is_logged_in()


def test_a_session_goes_on_when_its_owner_logs_in_elsewhere(
    app: APIFlask, visitor: Visitor, another_visitor: Callable[[], Visitor]
) -> None:
    email = add_user(app)
    visitor.login(email)
    elsewhere = another_visitor()
    elsewhere.login(email)
    assert visitor.is_logged_in()
    assert elsewhere.logout().status_code == 302
    assert not visitor.is_logged_in()


def test_the_cookie_of_before_is_no_session_when_its_owner_logs_in(
    app: APIFlask, visitor: Visitor, another_visitor: Callable[[], Visitor]
) -> None:
    visitor.get("/login")
    before = visitor.session_cookie()
    visitor.login(add_user(app))
    thief = another_visitor()
    thief.steal(before)
    assert not thief.is_logged_in()


@pytest.mark.parametrize("change", [{"active": False}, {"password": "another password"}])
def test_a_session_ends_when_the_user_is_changed(
    app: APIFlask, visitor: Visitor, change: dict[str, object]
) -> None:
    email = add_user(app)
    visitor.login(email)
    with app.app_context():
        change_user(database_of(app), email, actor=SETUP, **change)
    assert not visitor.is_logged_in()


def test_nothing_changes_when_logout_is_only_looked_at(app: APIFlask, visitor: Visitor) -> None:
    visitor.login(add_user(app))
    assert visitor.get("/logout").status_code == 200
    assert visitor.is_logged_in()


def test_nothing_changes_when_logout_lacks_the_csrf_token(app: APIFlask, visitor: Visitor) -> None:
    visitor.login(add_user(app))
    assert visitor.post("/logout").status_code == 400
    assert visitor.is_logged_in()


def test_cookies_are_closed_to_scripts_and_other_sites_when_set(visitor: Visitor) -> None:
    cookie = visitor.get("/login").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_cookies_are_secure_when_the_request_came_over_tls(app: APIFlask) -> None:
    over_tls = Visitor(app, "198.19.0.2", scheme="https")
    assert "Secure" in over_tls.get("/login").headers["Set-Cookie"]
    assert over_tls.login(add_user(app)).status_code == 302
    assert over_tls.is_logged_in()
