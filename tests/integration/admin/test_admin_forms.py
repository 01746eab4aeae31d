"""Forms whose token is of no use any more: nothing is done, and nothing that was typed is lost."""

import html
import re
from typing import Any

import pytest
from apiflask import APIFlask
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from sqlalchemy import select
from structlog.testing import capture_logs

from tests.access import PASSWORD, Visitor, add_user
from tests.integration.admin.panel import OpenPanel
from webapp.auth.roles import Role
from webapp.models.tenant import Tenant

NEW = "/admin/tenant/new/"
OURS = {"Origin": "http://localhost"}
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
DAY = 86_400.0


class OldSigner(TimestampSigner):
    """Signs as of some days ago."""

    def get_timestamp(self) -> int:
        return super().get_timestamp() - int(3 * DAY)


def names(panel: OpenPanel) -> list[str]:
    return panel.rows(select(Tenant.name))


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the form that goes on, as a browser would send them."""
    form = page[page.index('<form action="') :]
    return {name: html.unescape(value) for name, value in HIDDEN.findall(form)}


def refusals(logs: list[Any]) -> list[Any]:
    return [line for line in logs if line["event"] == "form.refused"]


@pytest.fixture
def typed(panel: OpenPanel) -> dict[str, str]:
    return {"name": "Acme & <Söhne>", "slug": "", "csrf_token": panel.csrf_token(NEW)}


def test_a_form_is_taken_when_it_was_open_for_days(panel: OpenPanel, typed: dict[str, str]) -> None:
    signed = URLSafeTimedSerializer(panel.app.secret_key, salt="wtf-csrf-token", signer=OldSigner)
    typed["csrf_token"] = signed.dumps(signed.loads(typed["csrf_token"]))
    assert panel.post(NEW, typed).status_code == 302
    assert names(panel) == [typed["name"]]


def test_what_was_typed_comes_back_when_the_session_began_anew_in_another_tab(
    panel: OpenPanel, typed: dict[str, str]
) -> None:
    panel.age_session(began_s=8 * DAY)
    panel.enter(Role.OPERATOR)
    panel.get("/admin/")
    with capture_logs() as logs:
        answer = panel.post(NEW, typed, headers=OURS)
    assert answer.status_code == 400
    assert names(panel) == []
    assert html.escape(typed["name"]) in answer.text
    (refused,) = refusals(logs)
    assert (refused["check"], refused["expected"]) == ("other_session", "http://localhost")
    assert typed["csrf_token"] not in str(logs)
    again = panel.post(NEW, hidden(answer.text), headers=OURS)
    assert again.status_code == 302
    assert names(panel) == [typed["name"]]


def test_what_was_typed_comes_back_after_the_login_when_the_session_is_over(
    panel: OpenPanel, typed: dict[str, str]
) -> None:
    panel.age_session(began_s=8 * DAY)
    login = panel.post(NEW, typed, headers=OURS)
    assert login.status_code == 401
    fields = hidden(login.text)
    wrong = panel.post("/login", {**fields, "email": "a@b.cd", "password": "wrong"}, headers=OURS)
    fields = hidden(wrong.text)
    user = {"email": add_user(panel.app, Role.OPERATOR), "password": PASSWORD}
    offered = panel.post("/login", {**fields, **user}, headers=OURS)
    assert offered.status_code == 200
    assert html.escape(typed["name"]) in offered.text
    assert names(panel) == []
    assert panel.post(NEW, hidden(offered.text), headers=OURS).status_code == 302
    assert names(panel) == [typed["name"]]


@pytest.mark.parametrize(
    "headers",
    [
        *({}, {"Origin": "http://localhost:8001"}, {"Origin": "null"}, {"Origin": "http://["}),
        *({**OURS, "Sec-Fetch-Site": "same-site"}, {"Referer": "http://evil.test/"}),
    ],
)
def test_no_button_is_offered_when_another_site_may_have_made_the_form(
    panel: OpenPanel, typed: dict[str, str], headers: dict[str, str]
) -> None:
    answer = panel.post(NEW, {**typed, "csrf_token": "none"}, headers=headers)
    assert answer.status_code == 400
    assert "Acme" not in answer.text
    panel.age_session(began_s=8 * DAY)
    assert panel.post(NEW, typed, headers=headers).status_code == 302
    assert names(panel) == []


@pytest.mark.parametrize(
    ("referer", "check", "logged"),
    [
        (None, "no_referer", None),
        ("https://user:secret@localhost:8443/x?token=y", "other_referer", "https://localhost:8443"),
    ],
)
def test_the_log_says_what_was_compared_when_a_form_came_over_tls(
    app: APIFlask, referer: str | None, check: str, logged: str | None
) -> None:
    visitor = Visitor(app, scheme="https")
    visitor.enter(Role.OPERATOR)
    form = {"name": "Acme", "csrf_token": visitor.csrf_token(NEW)}
    with capture_logs() as logs:
        answer = visitor.post(NEW, form, headers={"Referer": referer} if referer else {})
    assert answer.status_code == 400
    assert "address that this server is asked by" in answer.text
    (line,) = refusals(logs)
    assert (line["check"], line["referer"], line["expected"], line["endpoint"]) == (
        *(check, logged, "https://localhost", "tenant.create_view"),
    )
    assert "secret" not in str(logs) and "token=y" not in str(logs)


def test_the_login_names_the_proxy_when_the_referer_is_of_another_port(app: APIFlask) -> None:
    visitor = Visitor(app, scheme="https")
    form = {"email": "ops@example.test", "password": "x", "csrf_token": visitor.csrf_token()}
    answer = visitor.post("/login", form, headers={"Referer": "https://localhost:8443/login"})
    assert answer.status_code == 400
    assert "A proxy in front" in answer.text


def test_a_call_is_refused_when_its_referer_cannot_be_read(app: APIFlask) -> None:
    visitor = Visitor(app, scheme="https")
    visitor.enter(Role.OPERATOR)
    headers = {"X-CSRFToken": visitor.csrf_token(NEW), "Referer": "http://[::1"}
    with capture_logs() as logs:
        assert visitor.post("/api/tenants", headers=headers).status_code == 400
    assert [line["referer"] for line in refusals(logs)] == ["unreadable"]


def test_the_login_keeps_the_address_when_its_page_is_too_old(app: APIFlask) -> None:
    visitor = Visitor(app)
    form = {"email": "ops@example.test", "password": "a long secret", "next": "/admin/audit/"}
    answer = visitor.post("/login", {**form, "csrf_token": "old"}, headers=OURS)
    assert answer.status_code == 400
    assert 'value="ops@example.test"' in answer.text
    assert 'value="/admin/audit/"' in answer.text
    assert form["password"] not in answer.text
    user = {"email": add_user(app), "password": PASSWORD}
    assert visitor.post("/login", {**hidden(answer.text), **user}).status_code == 302


def test_the_first_of_two_login_tabs_leads_into_the_panel_when_the_second_was_used(
    app: APIFlask,
) -> None:
    visitor = Visitor(app)
    first = visitor.csrf_token()
    email = add_user(app)
    visitor.login(email)
    form = {"email": email, "password": PASSWORD, "csrf_token": first}
    answer = visitor.post("/login", form, headers=OURS)
    assert (answer.status_code, answer.location) == (302, "/admin/")
