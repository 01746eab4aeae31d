"""Deleted tenants in the panel: found again, called back, and the record of their departure."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import update

from tests.access import Visitor, add_token, add_user, close, database_of, settings_in
from tests.integration.access.conftest import new_address
from tests.integration.admin.tenants import add_tenant, send, state_of, tenant_of
from webapp import create_app
from webapp.auth.roles import Role
from webapp.db.types import utc_now
from webapp.models.audit import AuditEntry
from webapp.models.causes import Cause
from webapp.models.partition import Departure, Partition
from webapp.models.states import DepartureOutcome, PartitionState

NAME = "Acme  <i>&</i> Söhne"


def change(app: APIFlask, tenant_id: int, **values: Any) -> None:
    with database_of(app).transaction() as session:
        session.execute(update(Partition).where(Partition.tenant_id == tenant_id).values(values))


@pytest.fixture
def deleted(app: APIFlask, operator: Visitor) -> int:
    tenant_id = add_tenant(app, NAME)
    change(app, tenant_id, state=PartitionState.READY, ready_at=utc_now())
    assert send(operator, "/admin/tenant/delete/", id=str(tenant_id), typed=NAME) == 302
    return tenant_id


def test_the_question_names_what_goes_and_when_before_a_tenant_is_deleted(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_tenant(app, NAME)
    change(app, tenant_id, state=PartitionState.READY, ready_at=utc_now(), adopted_rows=1204)
    page = operator.get(f"/admin/tenant/delete/?id={tenant_id}").text
    assert "Acme  &lt;i&gt;&amp;&lt;/i&gt; Söhne" in page
    assert f"tenant_{tenant_id}" in page
    assert "It held 1,204 rows when" in page
    assert "in <b>7 d</b>" in page
    assert "you can keep the tenant" in page


def test_rows_of_unknown_origin_are_said_to_stay_before_a_tenant_is_deleted(
    app: APIFlask, operator: Visitor
) -> None:
    page = operator.get(f"/admin/tenant/delete/?id={add_tenant(app)}").text
    assert "left in Milvus" in page
    assert "with all its rows" not in page


def test_the_question_says_that_it_is_final_when_there_is_no_grace_time(
    app: APIFlask, tmp_path: Path
) -> None:
    tenant_id = add_tenant(app)
    hasty = create_app(settings_in(tmp_path, partition_grace=0, redis_url="unix:///nowhere.sock"))
    operator = Visitor(hasty, new_address())
    operator.login(add_user(hasty, Role.OPERATOR))
    page = operator.get(f"/admin/tenant/delete/?id={tenant_id}").text
    assert "This cannot be undone." in page
    assert "you can keep the tenant" not in page
    close(hasty)


def test_nothing_is_deleted_when_another_name_is_typed(app: APIFlask, operator: Visitor) -> None:
    tenant_id = add_tenant(app, NAME)
    for typed in ("", "Acme"):
        form = {"id": str(tenant_id), "typed": typed}
        assert send(operator, "/admin/tenant/delete/", **form) == 422
    assert tenant_of(app, tenant_id).deleted_at is None
    # As a browser draws it, two spaces are one.
    form = {"id": str(tenant_id), "typed": " Acme <i>&</i> Söhne "}
    assert send(operator, "/admin/tenant/delete/", **form) == 302
    assert tenant_of(app, tenant_id).deleted_at is not None


def test_a_deleted_tenant_is_found_again_from_the_list(
    app: APIFlask, operator: Visitor, deleted: int
) -> None:
    add_tenant(app, "Somebody")
    assert "state=removing" in operator.get("/admin/tenant/?search=Acme").text
    page = operator.get("/admin/tenant/?state=removing&search=Acme").text
    assert f"/admin/tenant/details/?id={deleted}" in page
    assert re.search(r"in <time[^>]*>6 d 23 h<", page)
    assert "/admin/tenant/restore/" in page


def test_the_tenant_stays_when_it_is_kept_in_time(
    app: APIFlask, operator: Visitor, deleted: int
) -> None:
    page = operator.get(f"/admin/tenant/details/?id={deleted}").text
    assert "Its partition is dropped in 6 d 23 h" in page
    assert "Keep tenant" in page
    assert send(operator, "/admin/tenant/restore/", tenant_id=str(deleted)) == 302
    assert tenant_of(app, deleted).deleted_at is None
    assert state_of(app, deleted) == PartitionState.PENDING
    page = operator.get(f"/admin/tenant/details/?id={deleted}").text
    assert "stays." in page
    assert "Its slug was taken" not in page
    with database_of(app).reading() as session:
        entries = session.query(AuditEntry).filter_by(tenant_id=deleted).order_by(AuditEntry.id)
        actions = [entry.action for entry in entries]
    assert actions == ["tenant.create", "tenant.delete", "tenant.restore"]


def test_the_new_slug_is_told_when_the_old_one_was_taken_meanwhile(
    app: APIFlask, operator: Visitor, deleted: int
) -> None:
    add_tenant(app, NAME)
    send(operator, "/admin/tenant/restore/", tenant_id=str(deleted))
    page = operator.get(f"/admin/tenant/details/?id={deleted}").text
    assert f"and is {tenant_of(app, deleted).slug} now." in page


def test_nobody_is_called_back_when_the_drop_has_begun(
    app: APIFlask, operator: Visitor, deleted: int
) -> None:
    change(app, deleted, drop_began_at=utc_now())
    page = operator.get(f"/admin/tenant/details/?id={deleted}").text
    assert "cannot be called back any more" in page
    assert "Keep tenant" not in page
    send(operator, "/admin/tenant/restore/", tenant_id=str(deleted))
    assert "cannot be called back" in operator.get(f"/admin/tenant/live/?id={deleted}").text
    assert tenant_of(app, deleted).deleted_at is not None


def test_the_cause_and_the_next_try_are_shown_when_the_drop_fails(
    app: APIFlask, operator: Visitor, deleted: int
) -> None:
    later = utc_now() + timedelta(minutes=4, seconds=30)
    change(app, deleted, cause=Cause.TIMEOUT, error="<b>no answer</b>", remove_at=later)
    page = operator.get(f"/admin/tenant/details/?id={deleted}").text
    assert "The drop fails: No answer in time" in page
    assert "Next try in 4 min" in page
    assert "<b>no answer" not in page
    assert "Will a retry help?" not in page


def test_viewers_read_the_record_when_the_partition_is_gone(
    app: APIFlask, as_role: Callable[[Role], Visitor], deleted: int
) -> None:
    now = utc_now()
    change(app, deleted, state=PartitionState.REMOVED, drop_began_at=now)
    proof = {"rows": 1204, "counted_at": now, "dropped_at": now, "confirmed_at": now}
    with database_of(app).transaction() as session:
        session.execute(update(Departure).values(outcome=DepartureOutcome.DROPPED, **proof))
    viewer = as_role(Role.VIEWER)
    page = viewer.get(f"/admin/tenant/details/?id={deleted}").text
    assert "1,204 rows" in page
    assert "Dropped, and seen to be gone" in page
    assert "Keep tenant" not in page
    record = viewer.get(f"/admin/tenant/departure/?id={deleted}")
    assert record.headers["Content-Disposition"].endswith(f"tenant-{deleted}-departure.json")
    bearer = {"Authorization": f"Bearer {add_token(app)}"}
    told = app.test_client().get(f"/api/tenants/{deleted}/departure", headers=bearer)
    assert json.loads(record.text) == told.json


def test_the_record_says_where_the_rows_are_when_they_were_kept(
    app: APIFlask, operator: Visitor, deleted: int
) -> None:
    change(app, deleted, state=PartitionState.REMOVED)
    with database_of(app).transaction() as session:
        kept = {"outcome": DepartureOutcome.KEPT, "counted_at": utc_now()}
        session.execute(update(Departure).values(kept))
    page = operator.get(f"/admin/tenant/details/?id={deleted}").text
    assert "an unknown number of rows" in page
    assert "The partition is still in Milvus." in page


def test_there_is_no_record_when_the_tenant_never_left(app: APIFlask, operator: Visitor) -> None:
    assert operator.get(f"/admin/tenant/departure/?id={add_tenant(app)}").status_code == 404
