"""Every address of the application is closed to strangers, but for the open list."""

from apiflask import APIFlask
from flask import Blueprint

from tests.access import Visitor, add_user
from tests.integration.access.test_doors import OPEN
from webapp.auth.guard import OPEN_ENDPOINTS, require
from webapp.auth.roles import Role


def test_the_open_list_is_short_when_looked_at() -> None:
    assert OPEN_ENDPOINTS == OPEN


def test_strangers_learn_nothing_when_an_address_does_not_exist(visitor: Visitor) -> None:
    assert visitor.get("/nothing/here").location == "/login?next=/nothing/here"
    assert visitor.get("/api/nothing").status_code == 401
    assert visitor.client.open("/healthz/../admin/", method="PUT").status_code in {302, 308}


def test_a_mounted_blueprint_is_closed_when_it_knows_nothing_of_the_guard(
    app: APIFlask, visitor: Visitor
) -> None:
    mounted = Blueprint("mounted", __name__, static_folder="static", url_prefix="/mounted")
    mounted.add_url_rule("/", "page", lambda: "secret")
    app.register_blueprint(mounted)
    assert visitor.get("/mounted/").status_code == 302
    assert visitor.get("/mounted/static/x.css").status_code == 302


def test_a_fragment_sends_the_page_to_the_login_when_the_session_ended(visitor: Visitor) -> None:
    answer = visitor.get("/admin/fragment", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/login")


def test_a_view_opens_to_its_role_and_above_when_guarded(app: APIFlask) -> None:
    app.add_url_rule("/guarded", "guarded", lambda: require(Role.OPERATOR) or "open")
    seen = {}
    for number, role in enumerate(Role):
        visitor = Visitor(app, f"198.19.1.{number}")
        visitor.login(add_user(app, role))
        seen[role] = visitor.get("/guarded").status_code
    assert seen == {Role.VIEWER: 403, Role.OPERATOR: 200, Role.ADMIN: 200}
