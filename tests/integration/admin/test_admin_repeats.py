"""One form sent twice: one effect, and the same answer to both."""

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from tests.access import ON_EACH_DATABASE
from tests.factories import all_at_once
from tests.integration.admin.panel import OpenPanel
from webapp.db.types import utc_now
from webapp.idempotency import WithKey
from webapp.models.audit import AuditEntry
from webapp.models.csv_import import Upload
from webapp.models.idempotency import IdempotencyKey
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant

NEW = "/admin/tenant/new/"
IMPORT = "/admin/import/"
FIELD = re.compile(r'name="(csrf_token|form_key)" value="([^"]+)"')


def drawn(panel: OpenPanel, page: str, action: str = "") -> dict[str, str]:
    """The hidden fields of the form on the page that goes to `action`."""
    text = panel.page(page)
    start = text.index(f'action="{action}"') if action else text.index("<main")
    return dict(FIELD.findall(text[start:])[:2])


def twin(panel: OpenPanel) -> OpenPanel:
    """Another connection of the same browser, for what is sent at the same moment."""
    other = OpenPanel(panel.app)
    other.steal(panel.session_cookie())
    return other


def at_once(panel: OpenPanel, path: str, form: Callable[[], dict[str, Any]]) -> list[TestResponse]:
    twins = [twin(panel) for _ in range(4)]
    return all_at_once([lambda each=each: each.post(path, form()) for each in twins])


def count(panel: OpenPanel, what: Any) -> int:
    return len(panel.rows(select(what)))


@ON_EACH_DATABASE
def test_one_tenant_is_made_when_the_form_is_sent_several_times_at_once(panel: OpenPanel) -> None:
    form = {"name": "Acme", "slug": "", **drawn(panel, NEW)}
    answers = at_once(panel, NEW, lambda: form)
    assert {(answer.status_code // 100, answer.location) for answer in answers} == {
        (3, "/admin/tenant/details/?id=1")
    }
    assert count(panel, Tenant) == 1


@ON_EACH_DATABASE
def test_one_file_is_taken_when_it_is_checked_several_times_at_once(panel: OpenPanel) -> None:
    hidden = drawn(panel, IMPORT, f"{IMPORT}check/")

    def form() -> dict[str, Any]:
        return {**hidden, "file": (io.BytesIO(b"name\nAcme\n"), "tenants.csv")}

    answers = at_once(panel, f"{IMPORT}check/", form)
    assert {answer.location for answer in answers} == {f"{IMPORT}show/?id=1"}
    assert count(panel, Upload) == 1
    corrected = {**hidden, "file": (io.BytesIO(b"name\nAcme Ltd\n"), "tenants.csv")}
    assert panel.post(f"{IMPORT}check/", corrected).location == f"{IMPORT}show/?id=2"


@ON_EACH_DATABASE
def test_both_are_told_that_the_tenant_stays_when_keep_is_pressed_twice(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant()
    page = f"/admin/tenant/details/?id={tenant_id}"
    delete = {**drawn(panel, f"/admin/tenant/delete/?id={tenant_id}"), "id": str(tenant_id)}
    panel.post("/admin/tenant/delete/", delete)
    panel.get(page)
    keep = {"tenant_id": str(tenant_id), **drawn(panel, page, "/admin/tenant/restore/")}
    first, second = twin(panel), twin(panel)
    for each in (first, second):
        assert each.post("/admin/tenant/restore/", keep).location == page
        shown = each.page(page)
        assert "stays." in shown
        assert "danger-role" not in shown
    assert len(panel.rows(select(AuditEntry).where(AuditEntry.action == "tenant.restore"))) == 1


def test_another_tenant_is_made_when_the_form_was_changed_on_the_way_back(panel: OpenPanel) -> None:
    form = drawn(panel, NEW)
    for name in ("Acme", "Globex"):
        assert panel.post(NEW, {"name": name, **form}).status_code == 302
    assert count(panel, Tenant) == 2


def test_the_form_can_be_sent_again_when_it_was_refused(panel: OpenPanel) -> None:
    form = drawn(panel, NEW)
    panel.add_tenant("Acme")
    taken = {"name": "Acme", "slug": "acme", **form}
    assert panel.post(NEW, taken).status_code == 422
    assert panel.post(NEW, taken).status_code == 422
    panel.execute(update(Tenant).values(slug="other"))
    assert panel.post(NEW, taken).status_code == 302
    assert count(panel, Tenant) == 2


def test_it_is_said_that_nothing_was_done_when_a_form_is_sent_long_after(panel: OpenPanel) -> None:
    form = {"name": "Acme", **drawn(panel, NEW)}
    place = panel.post(NEW, form).location
    panel.get(place or "")
    panel.execute(update(IdempotencyKey).values(created_at=utc_now() - timedelta(minutes=2)))
    assert panel.post(NEW, form).location == place
    assert "This form was sent before" in panel.page(place or "")
    assert count(panel, Tenant) == 1


def test_a_retry_answers_with_the_same_fragment_when_it_is_pressed_twice(panel: OpenPanel) -> None:
    tenant_id = panel.add_failed()
    form = {"tenant_id": str(tenant_id), **drawn(panel, NEW)}
    headers = {"HX-Request": "true"}
    answers = [panel.post("/admin/tenant/retry/", form, headers=headers) for _ in range(2)]
    assert "Queued at" in answers[0].text
    assert answers[0].text == answers[1].text
    assert panel.state(tenant_id) == PartitionState.PENDING


def test_the_key_of_another_user_is_another_key(panel: OpenPanel, admin: OpenPanel) -> None:
    key = drawn(panel, NEW)["form_key"]
    for each in (panel, admin):
        form = {**drawn(each, NEW), "form_key": key, "name": "Acme"}
        assert each.post(NEW, form).status_code == 302
    assert count(panel, Tenant) == 2


def test_nothing_is_lost_when_the_process_dies_before_the_effect(
    panel: OpenPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"name": "Acme", **drawn(panel, NEW)}
    begin = WithKey.begin

    def die(self: WithKey, session: Any) -> None:
        begin(self, session)
        raise OSError("killed")

    with monkeypatch.context() as dying:
        dying.setattr(WithKey, "begin", die)
        assert panel.post(NEW, form).status_code == 500
    assert panel.post(NEW, form).status_code == 302
    assert count(panel, Tenant) == 1
