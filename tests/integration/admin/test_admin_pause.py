"""Pausing in the panel: who may, what is asked first, and that every page says it."""

from apiflask import APIFlask
from webapp.models.audit import Actor, Via

from tests.access import Visitor
from tests.integration.admin.tenants import add_tenant, send
from webapp.auth.roles import Role

PAGES = ("/admin/", "/admin/tenant/", "/admin/partitions/", "/admin/partitions/?tab=queues")


def paused(app: APIFlask) -> bool:
    is_on: bool = app.extensions["services"].pauses.is_on()
    return is_on


def test_every_page_says_so_when_provisioning_is_paused(app: APIFlask, operator: Visitor) -> None:
    add_tenant(app)
    assert send(operator, "/admin/pause/", reason="Upgrade of Milvus") == 302
    assert paused(app)
    for address in (*PAGES, "/admin/partitions/live/", "/admin/live/"):
        headers = {"HX-Request": "true"} if "live" in address else {}
        page = operator.get(address, headers=headers).text
        assert "Provisioning is paused" in page, address
        assert "Upgrade of Milvus" in page, address
    assert send(operator, "/admin/pause/resume/") == 302
    assert not paused(app)
    assert "Provisioning is paused" not in operator.get("/admin/tenant/").text


def test_nothing_is_paused_when_the_question_is_only_looked_at(
    app: APIFlask, operator: Visitor
) -> None:
    add_tenant(app)
    page = operator.get("/admin/pause/").text
    assert "No attempt is under way now." in page
    assert 'id="confirm"' in page
    assert not paused(app)
    assert operator.get("/admin/pause/resume/").status_code == 405


def test_a_reason_is_only_text_when_it_holds_markup(app: APIFlask, operator: Visitor) -> None:
    send(operator, "/admin/pause/", reason="<script>alert(1)</script>")
    page = operator.get("/admin/").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


def test_the_form_comes_back_when_its_reason_is_too_long(app: APIFlask, operator: Visitor) -> None:
    token = operator.csrf_token("/admin/pause/")
    answer = operator.post("/admin/pause/", {"csrf_token": token, "reason": "x" * 501})
    assert answer.status_code == 422
    assert "at most 500 characters" in answer.text
    assert not paused(app)


def test_viewers_see_the_pause_and_no_button_when_one_lasts(
    app: APIFlask, operator: Visitor, as_role: object
) -> None:
    viewer = as_role(Role.VIEWER)  # type: ignore[operator]
    assert "Pause provisioning" not in viewer.get("/admin/partitions/?tab=queues").text
    send(operator, "/admin/pause/")
    page = viewer.get("/admin/partitions/?tab=queues").text
    assert "Provisioning is paused" in page
    assert "Resume provisioning" not in page
    assert send(viewer, "/admin/pause/resume/") == 403
    assert viewer.get("/admin/pause/").status_code == 403
    assert paused(app)


def test_a_token_that_paused_is_named_as_everywhere_else(app: APIFlask, operator: Visitor) -> None:
    add_tenant(app)
    app.extensions["services"].pauses.pause(actor=Actor("token:ci", Via.API))
    for address in ("/admin/", "/admin/tenant/"):
        page = operator.get(address).text
        assert "token ci" in page
        assert "token:ci" not in page
