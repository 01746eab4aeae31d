"""Deleted tenants in the panel: found again, called back, and the record of their departure."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from apiflask import APIFlask
from sqlalchemy import select, update

from tests.access import close, settings_in
from tests.integration.admin.panel import OpenPanel
from webapp import create_app
from webapp.auth.roles import Role
from webapp.db.types import utc_now
from webapp.models.audit import AuditEntry
from webapp.models.causes import Cause
from webapp.models.partition import Departure
from webapp.models.states import DepartureOutcome, PartitionState

NAME, NAME_SHOWN = "Acme  <i>&</i> Söhne", "Acme  &lt;i&gt;&amp;&lt;/i&gt; Söhne"


@pytest.fixture
def deleted(panel: OpenPanel) -> int:
    tenant_id = panel.add_tenant(NAME)
    panel.change(tenant_id, state=PartitionState.READY, ready_at=utc_now())
    assert panel.send("/admin/tenant/delete/", id=tenant_id, typed=NAME) == 302
    return tenant_id


def test_the_question_names_what_goes_and_when_before_a_tenant_is_deleted(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant(NAME)
    panel.change(tenant_id, state=PartitionState.READY, ready_at=utc_now(), adopted_rows=1204)
    page = panel.page(f"/admin/tenant/delete/?id={tenant_id}")
    assert NAME_SHOWN in page
    assert f"tenant_{tenant_id}" in page
    assert "It held 1,204 rows when" in page
    assert "in <b>7 d</b>" in page
    assert "you can keep the tenant" in page


def test_rows_of_unknown_origin_are_said_to_stay_before_a_tenant_is_deleted(
    panel: OpenPanel,
) -> None:
    page = panel.page(f"/admin/tenant/delete/?id={panel.add_tenant()}")
    assert "left in Milvus" in page
    assert "with all its rows" not in page


def test_the_question_says_that_it_is_final_when_there_is_no_grace_time(
    tmp_path: Path, app: APIFlask
) -> None:
    hasty = create_app(settings_in(tmp_path, partition_grace=0, redis_url="unix:///nowhere.sock"))
    panel = OpenPanel(hasty)
    panel.enter(Role.OPERATOR)
    page = panel.page(f"/admin/tenant/delete/?id={panel.add_tenant()}")
    assert "This cannot be undone." in page
    assert "you can keep the tenant" not in page
    close(hasty)


def test_nothing_is_deleted_when_another_name_is_typed(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant(NAME)
    for typed in ("", "Acme"):
        assert panel.send("/admin/tenant/delete/", id=tenant_id, typed=typed) == 422
    assert panel.tenant(tenant_id).deleted_at is None
    # As a browser draws it, two spaces are one.
    typed = " Acme <i>&</i> Söhne "
    assert panel.send("/admin/tenant/delete/", id=tenant_id, typed=typed) == 302
    assert panel.tenant(tenant_id).deleted_at is not None


def test_a_deleted_tenant_is_found_again_from_the_list(panel: OpenPanel, deleted: int) -> None:
    panel.add_tenant("Somebody")
    assert "state=removing" in panel.page("/admin/tenant/?search=Acme")
    assert NAME_SHOWN not in panel.page("/admin/tenant/?state=ready")
    page = panel.page("/admin/tenant/?state=removing&search=Acme")
    assert f"/admin/tenant/details/?id={deleted}" in page
    assert re.search(r"in <time[^>]*>6 d 23 h<", page)
    assert "/admin/tenant/restore/" in page


def test_the_tenant_stays_when_it_is_kept_in_time(panel: OpenPanel, deleted: int) -> None:
    page = panel.details(deleted)
    assert "Its partition is dropped in 6 d 23 h" in page
    assert "Keep tenant" in page
    assert panel.send("/admin/tenant/restore/", tenant_id=deleted) == 302
    assert panel.tenant(deleted).deleted_at is None
    assert panel.state(deleted) == PartitionState.PENDING
    page = panel.details(deleted)
    assert "stays." in page
    assert "Its slug was taken" not in page
    actions = panel.rows(select(AuditEntry.action).where(AuditEntry.tenant_id == deleted))
    assert actions == ["tenant.create", "tenant.delete", "tenant.restore"]


def test_the_new_slug_is_told_when_the_old_one_was_taken_meanwhile(
    panel: OpenPanel, deleted: int
) -> None:
    panel.add_tenant(NAME)
    panel.send("/admin/tenant/restore/", tenant_id=deleted)
    page = panel.details(deleted)
    assert f"and is {panel.tenant(deleted).slug} now." in page


def test_nobody_is_called_back_when_the_drop_has_begun(panel: OpenPanel, deleted: int) -> None:
    panel.change(deleted, drop_began_at=utc_now())
    page = panel.details(deleted)
    assert "cannot be called back any more" in page
    assert "Keep tenant" not in page
    panel.send("/admin/tenant/restore/", tenant_id=deleted)
    assert "cannot be called back" in panel.page(f"/admin/tenant/live/?id={deleted}")
    assert panel.tenant(deleted).deleted_at is not None


def test_the_cause_and_the_next_try_are_shown_when_the_drop_fails(
    panel: OpenPanel, deleted: int
) -> None:
    later = utc_now() + timedelta(minutes=4, seconds=30)
    panel.change(deleted, cause=Cause.TIMEOUT, error="<b>no answer</b>", remove_at=later)
    page = panel.details(deleted)
    assert "The drop fails: No answer in time" in page
    assert "Next try in 4 min" in page
    assert "<b>no answer" not in page
    assert "Will a retry help?" not in page


def test_viewers_read_the_record_when_the_partition_is_gone(
    viewer: OpenPanel, deleted: int
) -> None:
    now = utc_now()
    viewer.change(deleted, state=PartitionState.REMOVED, drop_began_at=now)
    proof = {"rows": 1204, "counted_at": now, "dropped_at": now, "confirmed_at": now}
    viewer.execute(update(Departure).values(outcome=DepartureOutcome.DROPPED, **proof))
    page = viewer.details(deleted)
    assert "1,204 rows" in page
    assert "Dropped, and seen to be gone" in page
    assert "Keep tenant" not in page
    record = viewer.get(f"/admin/tenant/departure/?id={deleted}")
    assert record.headers["Content-Disposition"].endswith(f"tenant-{deleted}-departure.json")
    assert json.loads(record.text) == viewer.get(f"/api/tenants/{deleted}/departure").json


def test_the_record_says_where_the_rows_are_when_they_were_kept(
    panel: OpenPanel, deleted: int
) -> None:
    panel.change(deleted, state=PartitionState.REMOVED)
    panel.execute(update(Departure).values(outcome=DepartureOutcome.KEPT, counted_at=utc_now()))
    page = panel.details(deleted)
    assert "an unknown number of rows" in page
    assert "The partition is still in Milvus." in page


def test_there_is_no_record_when_the_tenant_never_left(panel: OpenPanel) -> None:
    assert panel.get(f"/admin/tenant/departure/?id={panel.add_tenant()}").status_code == 404
