"""Foreign data in the panel: what was found, and the two decisions about it."""

import pytest
from sqlalchemy import select

from tests.integration.admin.panel import OpenPanel
from webapp.models.audit import AuditEntry
from webapp.models.causes import Cause
from webapp.models.states import IfExists, PartitionState

NAME = "<i>Acme</i>"
SEEN = "partition tenant_1 of collection <b>x</b> was there before any attempt of ours, with 5 rows"


@pytest.fixture
def foreign(panel: OpenPanel) -> int:
    """A tenant whose partition holds rows that may be somebody else's."""
    tenant_id = panel.add_failed(NAME, Cause.FOREIGN_DATA)
    panel.change(tenant_id, error=SEEN)
    return tenant_id


def decided(panel: OpenPanel, tenant_id: int) -> tuple[IfExists, list[str]]:
    """What is to be done with the rows, and the decisions in the audit."""
    _created, *decisions = panel.rows(
        select(AuditEntry.action).where(AuditEntry.tenant_id == tenant_id)
    )
    return panel.tenant(tenant_id).partition.if_exists, decisions


def test_what_was_found_is_shown_with_the_ways_out(
    panel: OpenPanel, viewer: OpenPanel, foreign: int
) -> None:
    page = panel.details(foreign)
    assert "was there before any attempt of ours. Rows in it: 5." in page
    assert "<b>x</b>" not in page
    assert "There, with rows of unknown origin" in page
    for way in ("Adopt these rows", "Destroy these rows…", "Retry"):
        assert way in page
    assert "these rows" not in viewer.details(foreign)


def test_the_rows_are_to_be_adopted_when_the_operator_says_so(
    panel: OpenPanel, foreign: int
) -> None:
    assert panel.send("/admin/tenant/adopt/", tenant_id=foreign) == 302
    assert panel.state(foreign) == PartitionState.PENDING
    assert decided(panel, foreign) == (IfExists.ADOPT, ["tenant.adopt"])
    page = panel.details(foreign)
    assert "The rows are being adopted." in page
    assert "adopt the rows that are there" in page


def test_no_rows_are_destroyed_until_the_name_is_typed(panel: OpenPanel, foreign: int) -> None:
    address = "/admin/tenant/empty/"
    question = panel.page(f"{address}?id={foreign}")
    assert "with 5 rows" in question
    assert f"tenant_{foreign}" in question
    assert "This cannot be undone." in question
    assert NAME not in question
    for wrong in ({}, {"typed": ""}, {"typed": "Acme"}):
        assert panel.send(address, id=foreign, **wrong) == 422
    assert decided(panel, foreign) == (IfExists.REFUSE, [])
    assert panel.send(address, id=foreign, typed=NAME) == 302
    assert decided(panel, foreign) == (IfExists.EMPTY, ["tenant.empty"])


def test_nothing_is_decided_when_there_is_no_foreign_data(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant("Acme")
    assert panel.get(f"/admin/tenant/empty/?id={tenant_id}").status_code == 302
    for action in ("adopt", "empty"):
        form = {"id": tenant_id, "tenant_id": tenant_id, "typed": "Acme"}
        assert panel.send(f"/admin/tenant/{action}/", **form) == 302
        assert "did not fail because of foreign data." in panel.details(tenant_id)
    assert decided(panel, tenant_id) == (IfExists.REFUSE, [])


def test_adopted_rows_are_a_fact_of_the_partition(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant()
    panel.change(tenant_id, state=PartitionState.READY, adopted_rows=1204)
    assert "1,204 rows that were there before" in panel.details(tenant_id)
