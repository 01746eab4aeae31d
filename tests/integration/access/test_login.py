"""The login page: who gets in, what it says, where it leads."""

import pytest
from apiflask import APIFlask

from tests.access import PASSWORD, SETUP, MakeApp, Visitor, add_user, database_of
from webapp.auth.roles import Role
from webapp.auth.users import change_user


def test_the_panel_opens_when_the_password_is_right(visitor: Visitor) -> None:
    answer = visitor.login(add_user(visitor.app))
    assert (answer.status_code, answer.location) == (302, "/admin/")
    assert visitor.is_logged_in()


def test_the_address_is_known_when_written_in_another_case(visitor: Visitor) -> None:
    email = add_user(visitor.app)
    assert visitor.login(f" {email.upper()} ").status_code == 302


def test_login_works_when_the_secret_key_has_changed(visitor: Visitor, make_app: MakeApp) -> None:
    email = add_user(visitor.app)
    changed = make_app(secret_key="another key of sixteen or more")
    assert Visitor(changed).login(email).status_code == 302


def test_the_same_is_said_when_user_or_password_or_account_is_wrong(app: APIFlask) -> None:
    known, inactive = add_user(app), add_user(app)
    with app.app_context():
        change_user(database_of(app), inactive, actor=SETUP, active=False)
    tries = [(known, "wrong"), ("nobody@example.test", PASSWORD), (inactive, PASSWORD)]
    tries += [("no address", PASSWORD), ("a\x00@b.c", PASSWORD), (known, "")]
    for email, password in tries:
        answer = Visitor(app).login(email, password)
        assert answer.status_code == 200
        assert "E-mail address or password is wrong." in answer.text
        assert 'aria-describedby="login-error"' in answer.text


def test_what_was_typed_is_shown_as_text_when_it_is_markup(visitor: Visitor) -> None:
    answer = visitor.login('"><script>alert(1)</script>@x.test', "wrong")
    assert "<script>" not in answer.text


HOSTILE = (
    *("//evil.test", "///evil.test", "\\\\evil.test", "\\\\\\evil.test", "/\\evil.test"),
    *("javascript:alert(1)", "https://evil.test/", "http:evil.test", "/x\r\nSet-Cookie: a=b"),
    *("\t//evil.test", " //evil.test", "\x19//evil.test", "https://localhost@evil.test/"),
)


def test_login_stays_on_the_site_when_next_is_hostile(app: APIFlask) -> None:
    email = add_user(app)
    for hostile in HOSTILE:
        answer = Visitor(app).login(email, next=hostile)
        location = answer.location or ""
        assert answer.status_code == 302, hostile
        assert location.startswith("/") and not location.startswith(("//", "/\\")), hostile
        assert "a=b" not in answer.headers.get_all("Set-Cookie")
        assert not {"\r", "\n", "\\", "\t"} & set(location), hostile


@pytest.mark.parametrize("path", ["/login", "/language", "/logout"])
def test_json_is_no_form(visitor: Visitor, path: str) -> None:
    headers = {"X-CSRFToken": visitor.csrf_token(), "Content-Type": "application/json"}
    for body in ("[1]", "1", '"s"', '{"email": "\\ud800@x.y"}', "{}", "{"):
        answer = visitor.post(path, data=body, headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 415, body
        assert "Not understood" in answer.text


def test_login_leads_back_when_next_is_a_page_of_ours(visitor: Visitor) -> None:
    asked = visitor.get("/admin/tenant/?q=a%26b")
    assert asked.location == "/login?next=/admin/tenant/%3Fq%3Da%2526b"
    email = add_user(visitor.app)
    form = visitor.get(asked.location).text
    assert 'value="/admin/tenant/?q=a%26b"' in form
    answer = visitor.login(email, next="/admin/tenant/?q=a%26b")
    assert answer.location == "/admin/tenant/?q=a%26b"


def test_login_leads_back_when_the_path_has_escapes(visitor: Visitor) -> None:
    page = "/rq/0/view/jobs/a%20b%25?q=a%26b"
    asked = visitor.get(page)
    form = visitor.get(asked.location).text
    assert f'value="{page}"' in form
    assert visitor.login(add_user(visitor.app), next=page).location == page


def test_no_second_way_in_opens_when_flask_security_offers_one(visitor: Visitor) -> None:
    email = add_user(visitor.app, Role.ADMIN)
    body = {"email": email, "password": PASSWORD}
    answer = visitor.client.post("/login?include_auth_token", json=body)
    assert answer.status_code == 415
    assert "authentication_token" not in answer.text
    for path in ("/register", "/reset", "/verify", "/change", "/fs-static/x.js"):
        assert visitor.get(path).status_code == 302
