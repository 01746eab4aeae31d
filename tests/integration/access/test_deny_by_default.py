"""Every address of the application is closed to strangers, but for the open list."""

from flask import Blueprint

from tests.access import Visitor
from tests.integration.access.test_doors import OPEN
from webapp.auth.guard import OPEN_ENDPOINTS


def test_the_open_list_is_short_when_looked_at() -> None:
    assert OPEN_ENDPOINTS == OPEN


def test_strangers_learn_nothing_when_an_address_does_not_exist(visitor: Visitor) -> None:
    assert visitor.get("/nothing/here").location == "/login?next=/nothing/here"
    assert visitor.get("/api/nothing").status_code == 401
    assert visitor.client.open("/healthz/../admin/", method="PUT").status_code in {302, 308}


def test_a_mounted_blueprint_is_closed_when_it_knows_nothing_of_the_guard(visitor: Visitor) -> None:
    mounted = Blueprint("mounted", __name__, static_folder="static", url_prefix="/mounted")
    mounted.add_url_rule("/", "page", lambda: "secret")
    visitor.app.register_blueprint(mounted)
    assert visitor.get("/mounted/").status_code == 302
    assert visitor.get("/mounted/static/x.css").status_code == 302


def test_a_fragment_sends_the_page_to_the_login_when_the_session_ended(visitor: Visitor) -> None:
    answer = visitor.get("/admin/fragment", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/login")
