"""Pausing in the panel: who may, what is asked first, and that every page says it."""

from tests.integration.admin.panel import OpenPanel
from webapp.models.audit import Actor, Via

PAGES = ("/admin/", "/admin/tenant/", "/admin/partitions/", "/admin/partitions/?tab=queues")


def paused(panel: OpenPanel) -> bool:
    return panel.services.pauses.is_on()


def test_every_page_says_so_when_provisioning_is_paused(panel: OpenPanel) -> None:
    panel.add_tenant()
    assert panel.send("/admin/pause/", reason="<script>Upgrade of Milvus") == 302
    assert paused(panel)
    for address in (*PAGES, "/admin/partitions/live/", "/admin/live/"):
        headers = {"HX-Request": "true"} if "live" in address else {}
        page = panel.page(address, headers=headers)
        assert "Provisioning is paused" in page, address
        assert "&lt;script&gt;Upgrade of Milvus" in page, address
        assert "<script>Upgrade" not in page, address
    assert panel.send("/admin/pause/resume/") == 302
    assert not paused(panel)
    assert "Provisioning is paused" not in panel.page("/admin/tenant/")


def test_nothing_is_paused_when_the_question_is_only_looked_at(panel: OpenPanel) -> None:
    panel.add_tenant()
    page = panel.page("/admin/pause/")
    assert "No attempt is under way now." in page
    assert 'id="confirm"' in page
    assert not paused(panel)
    assert panel.get("/admin/pause/resume/").status_code == 405


def test_the_form_comes_back_when_its_reason_is_too_long(panel: OpenPanel) -> None:
    token = panel.csrf_token("/admin/pause/")
    answer = panel.post("/admin/pause/", {"csrf_token": token, "reason": "x" * 501})
    assert answer.status_code == 422
    assert "at most 500 characters" in answer.text
    assert not paused(panel)


def test_viewers_see_the_pause_and_no_button_when_one_lasts(
    panel: OpenPanel, viewer: OpenPanel
) -> None:
    assert "Pause provisioning" not in viewer.page("/admin/partitions/?tab=queues")
    panel.send("/admin/pause/")
    page = viewer.page("/admin/partitions/?tab=queues")
    assert "Provisioning is paused" in page
    assert "Resume provisioning" not in page
    assert viewer.send("/admin/pause/resume/") == 403
    assert viewer.get("/admin/pause/").status_code == 403
    assert paused(panel)


def test_a_token_that_paused_is_named_as_everywhere_else(panel: OpenPanel) -> None:
    panel.add_tenant()
    panel.services.pauses.pause(actor=Actor("token:ci", Via.API))
    for address in ("/admin/", "/admin/tenant/"):
        page = panel.page(address)
        assert "token ci" in page
        assert "token:ci" not in page
