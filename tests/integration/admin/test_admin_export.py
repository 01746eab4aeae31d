"""The lists as files: what the filter shows, whole, and nothing that a spreadsheet would run."""

import csv
import io

import pytest
from sqlalchemy import select

from tests.access import Visitor
from tests.factories import ACTOR, imported
from tests.integration.admin.panel import OpenPanel
from webapp.models.audit import AuditEntry
from webapp.models.causes import Cause
from webapp.tenants import export


def exported(visitor: Visitor, **wanted: str) -> list[dict[str, str]]:
    answer = visitor.client.get("/admin/export/tenants.csv", query_string=wanted)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    return list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))


def names(visitor: Visitor, **wanted: str) -> list[str]:
    return [row["name"] for row in exported(visitor, **wanted)]


def test_the_file_holds_what_the_filter_shows(panel: OpenPanel) -> None:
    panel.add_tenant("Waiting")
    panel.add_failed("Timed out", Cause.TIMEOUT)
    panel.add_failed("Full", Cause.CAPACITY)
    panel.services.tenants.delete(panel.add_tenant("Gone"), actor=ACTOR)
    panel.store(imported(90))
    panel.change(1, operation_id=5)
    assert names(panel) == ["Waiting", "Timed out", "Full", "Before"]
    assert names(panel, state="failed") == ["Timed out", "Full"]
    assert names(panel, state="failed", cause="capacity") == ["Full"]
    assert names(panel, state="none") == ["Before"]
    assert names(panel, state="removing") == ["Gone"]
    assert names(panel, search="ful") == ["Full"]
    assert names(panel, operation="5") == ["Waiting"]
    failed = exported(panel, state="failed")[0]
    assert (failed["id"], failed["slug"], failed["status"]) == ("2", "timed-out", "active")
    assert (failed["partition"], failed["state"]) == ("tenant_2", "failed")
    assert (failed["cause"], failed["error"]) == ("timeout", "error of Timed out")


def test_a_formula_is_text_when_a_spreadsheet_opens_the_file(panel: OpenPanel) -> None:
    panel.add_tenant("=HYPERLINK(1)")
    panel.add_tenant("@SUM")
    assert names(panel) == ["'=HYPERLINK(1)", "'@SUM"]


@pytest.mark.parametrize("address", ["/admin/export/tenants.csv", "/admin/audit/export.csv"])
def test_a_formula_is_text_when_the_file_is_opened_where_semicolons_separate(
    panel: OpenPanel, address: str
) -> None:
    panel.add_tenant("x;=1+1;y")
    sent = panel.client.get(address).get_data().decode("utf-8-sig")
    assert "=1+1" in sent
    opened = csv.reader(io.StringIO(sent, newline=""), delimiter=";")
    assert [cell for cells in opened for cell in cells if cell.startswith("=")] == []


def test_an_export_is_noted_when_a_viewer_makes_it(viewer: OpenPanel) -> None:
    exported(viewer, state="failed", search="x")
    noted = select(AuditEntry.after).where(AuditEntry.action == "export.tenants")
    assert viewer.rows(noted) == ['{"state": "failed", "search": "x"}']


def test_many_are_read_run_by_run_when_they_do_not_fit_one(
    panel: OpenPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "READ_AT_ONCE", 10)
    for number in range(25):
        panel.add_tenant(f"Name {number:02}")
    with panel.counted() as statements:
        assert names(panel) == [f"Name {number:02}" for number in range(25)]
    assert len([s for s in statements if "partition.error" in s and "LIMIT" in s]) == 3
