"""The lists as files: what the filter shows, whole, and nothing that a spreadsheet would run."""

import csv
import io
from collections.abc import Callable

import pytest
from apiflask import APIFlask
from sqlalchemy import select

from tests.access import Visitor, database_of
from tests.factories import ACTOR, imported
from tests.integration.admin.tenants import add_failed, add_tenant
from tests.integration.admin.test_admin_queries import counted
from webapp import current
from webapp.auth.roles import Role
from webapp.models.audit import AuditEntry
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.tenants import export


def exported(visitor: Visitor, **wanted: str) -> list[dict[str, str]]:
    answer = visitor.client.get("/admin/export/tenants.csv", query_string=wanted)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    return list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))


def names(visitor: Visitor, **wanted: str) -> list[str]:
    return [row["name"] for row in exported(visitor, **wanted)]


def test_the_file_holds_what_the_filter_shows(app: APIFlask, operator: Visitor) -> None:
    add_tenant(app, "Waiting")
    add_failed(app, "Timed out", Cause.TIMEOUT)
    add_failed(app, "Full", Cause.CAPACITY)
    gone = add_tenant(app, "Gone")
    with app.app_context():
        current.tenants().delete(gone, actor=ACTOR)
    with database_of(app).transaction() as session:
        session.add(imported(90))
        session.get_one(Partition, 1).operation_id = 5
    assert names(operator) == ["Waiting", "Timed out", "Full", "Before"]
    assert names(operator, state="failed") == ["Timed out", "Full"]
    assert names(operator, state="failed", cause="capacity") == ["Full"]
    assert names(operator, state="none") == ["Before"]
    assert names(operator, state="removing") == ["Gone"]
    assert names(operator, search="ful") == ["Full"]
    assert names(operator, operation="5") == ["Waiting"]
    failed = exported(operator, state="failed")[0]
    assert (failed["id"], failed["slug"], failed["status"]) == ("2", "timed-out", "active")
    assert (failed["partition"], failed["state"]) == ("tenant_2", "failed")
    assert (failed["cause"], failed["error"]) == ("timeout", "error of Timed out")


def test_a_formula_is_text_when_a_spreadsheet_opens_the_file(
    app: APIFlask, operator: Visitor
) -> None:
    add_tenant(app, "=HYPERLINK(1)")
    add_tenant(app, "@SUM")
    assert names(operator) == ["'=HYPERLINK(1)", "'@SUM"]


@pytest.mark.parametrize("address", ["/admin/export/tenants.csv", "/admin/audit/export.csv"])
def test_a_formula_is_text_when_the_file_is_opened_where_semicolons_separate(
    app: APIFlask, operator: Visitor, address: str
) -> None:
    add_tenant(app, "x;=1+1;y")
    sent = operator.client.get(address).get_data().decode("utf-8-sig")
    assert "=1+1" in sent
    opened = csv.reader(io.StringIO(sent, newline=""), delimiter=";")
    assert [cell for cells in opened for cell in cells if cell.startswith("=")] == []


def test_an_export_is_noted_when_a_viewer_makes_it(
    app: APIFlask, as_role: Callable[[Role], Visitor]
) -> None:
    exported(as_role(Role.VIEWER), state="failed", search="x")
    with database_of(app).reading() as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "export.tenants"))
    assert entry.after == '{"state": "failed", "search": "x"}'


def test_many_are_read_run_by_run_when_they_do_not_fit_one(
    app: APIFlask, operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "READ_AT_ONCE", 10)
    with app.app_context():
        for number in range(25):
            current.tenants().create(f"Name {number:02}", actor=ACTOR)
    with counted(app) as statements:
        assert names(operator) == [f"Name {number:02}" for number in range(25)]
    assert len([s for s in statements if "partition.error" in s and "LIMIT" in s]) == 3
