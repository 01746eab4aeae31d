"""The page of an orphan: its rows, the decisions about it, and their results."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from tests.integration.admin.panel import COLLECTION, MOST_QUERIES, OpenPanel
from webapp.db.types import utc_now
from webapp.models.audit import AuditEntry
from webapp.models.observed import PartitionDrift
from webapp.models.orphan import OrphanRequest
from webapp.models.states import DriftKind, OrphanOutcome

DRIFT = "/admin/partitions/?tab=drift"
NAME = "tenant_4711"
HOSTILE = ("tenant_\u0663", "x" * 255, "<script>alert(1)</script>", "a&b=c d", "\u202e\u05d0")


def orphan(panel: OpenPanel, name: str = NAME, **values: Any) -> str:
    """An orphan that a comparison found; returns the address of its page."""
    panel.observe()
    entry = {
        "collection": COLLECTION,
        "kind": DriftKind.ORPHAN,
        "note": "no tenant has this number",
    }
    panel.store(PartitionDrift(partition=name, **entry | values))
    return "/admin/partitions/orphan/?" + urlencode({"collection": COLLECTION, "partition": name})


def send(panel: OpenPanel, action: str, partition: str = NAME, **fields: str) -> int:
    place = {"collection": COLLECTION, "partition": partition}
    return panel.send(f"/admin/partitions/orphan/{action}/", **place, **fields)


def requests(panel: OpenPanel) -> list[OrphanRequest]:
    return panel.rows(select(OrphanRequest))


def finish(panel: OpenPanel, outcome: OrphanOutcome, **values: Any) -> None:
    (request,) = requests(panel)
    request.outcome, request.finished_at = outcome, utc_now()
    for name, value in values.items():
        setattr(request, name, value)
    panel.store(request)


def test_count_is_asked_for_and_shown_with_its_age(panel: OpenPanel) -> None:
    page = orphan(panel)
    assert "not counted yet" in panel.page(page)
    assert send(panel, "count") == 303
    assert "asked at" in panel.page(page)
    assert 'id="no-reconciler"' in panel.page(page)
    panel.alive()
    assert 'id="no-reconciler"' not in panel.page(page)
    finish(panel, OrphanOutcome.COUNTED)
    orphan(panel, rows=1204, counted_at=utc_now() - timedelta(minutes=3))
    with panel.counted() as statements:
        text = panel.page(page)
    assert "1,204" in text and "3 min ago" in text
    assert len([each for each in statements if each.startswith("SELECT")]) <= MOST_QUERIES
    assert "1,204" in panel.page(DRIFT)


def test_kept_orphan_is_listed_with_who_and_why_and_no_alarm(panel: OpenPanel) -> None:
    page = orphan(panel)
    panel.add_tenant()
    assert 'id="condition-partitions_orphaned"' in panel.page("/admin/")
    assert send(panel, "acknowledge", reason="of <b>the archive") == 303
    text = panel.page(DRIFT)
    assert 'id="kind-acknowledged"' in text and 'id="kind-orphan"' not in text
    assert "of &lt;b&gt;the archive" in text and "Database and Milvus agree" in text
    assert 'id="condition-partitions_orphaned"' not in panel.page("/admin/")
    assert send(panel, "take-back") == 303
    assert 'id="kind-orphan"' in panel.page(DRIFT)
    assert "Acknowledge it" in panel.page(page)


def test_orphan_becomes_a_tenant_when_it_gets_a_name(panel: OpenPanel) -> None:
    page = orphan(panel)
    assert send(panel, "adopt", name=" ", slug="") == 422
    assert send(panel, "adopt", name="Lost", slug="") == 302
    assert panel.tenant(4711).name == "Lost"
    assert "Made of an orphan" in panel.details(4711)
    assert panel.get(page).status_code == 404


def test_drop_is_asked_for_when_the_name_was_typed(panel: OpenPanel) -> None:
    page = orphan(panel)
    assert send(panel, "drop", typed="tenant_471") == 422
    assert requests(panel) == []
    assert send(panel, "drop", typed=NAME) == 303
    text = panel.page(page)
    assert "to drop it" in text and 'id="typed"' not in text
    finish(panel, OrphanOutcome.REFUSED, message="provisioning is paused")
    text = panel.page(page)
    assert "It was not dropped" in text and "Provisioning is paused." in text
    finish(panel, OrphanOutcome.DROPPED, message=None, rows=3)
    panel.execute(PartitionDrift.__table__.delete())
    assert "Rows that it held: 3" in panel.page(page)
    assert "Drop of an orphan asked for" in panel.page("/admin/audit/")


def test_drop_is_not_offered_when_a_tenant_has_the_number_or_nothing_may_be_dropped(
    panel: OpenPanel,
) -> None:
    page = orphan(panel, f"tenant_{panel.add_tenant()}")
    text = panel.page(page)
    assert "a tenant has its number" in text and 'id="typed"' not in text
    assert "or a deleted one had it" in text
    page = orphan(panel)
    panel.send("/admin/pause/", reason="")
    assert "provisioning is paused" in panel.page(page)
    send(panel, "drop", typed=NAME)
    assert requests(panel) == []
    assert "is not dropped: provisioning is paused" in panel.page(page)


@pytest.mark.parametrize("name", HOSTILE)
def test_name_is_shown_safely_when_it_is_hostile(panel: OpenPanel, name: str) -> None:
    page = orphan(panel, name, kind=DriftKind.OTHER)
    for address in (page, DRIFT):
        text = panel.page(address)
        assert "<script>alert" not in text
        assert 'id="agreement"' in text or "of another name" in text
    assert send(panel, "acknowledge", name, reason="") == 303
    assert send(panel, "drop", name, typed=name) == 303
    (request,) = requests(panel)
    assert request.partition == name
    assert panel.page("/admin/audit/").count("<script>alert") == 0
    (*_, entry) = panel.rows(select(AuditEntry))
    assert entry.action == "orphan.drop"


def test_viewer_sees_it_and_decides_nothing(viewer: OpenPanel) -> None:
    page = viewer.page(orphan(viewer))
    assert "First seen" in page and "/admin/partitions/orphan/count/" not in page
    assert 'id="adopt"' not in page and 'id="drop"' not in page
    for action in ("count", "acknowledge", "take-back", "adopt", "drop"):
        assert send(viewer, action, name=NAME, typed=NAME) == 403


def test_page_is_not_found_when_there_is_no_such_orphan(panel: OpenPanel) -> None:
    panel.observe()
    for query in ("", "?collection=a&partition=b", "?collection=a&partition=%00"):
        for part in ("", "live/"):
            assert panel.get(f"/admin/partitions/orphan/{part}{query}").status_code == 404
    orphan(panel, kind=DriftKind.MISSING)
    assert panel.get(orphan(panel, kind=DriftKind.MISSING)).status_code == 404
    assert send(panel, "count") == 303
    assert "found no orphan" in panel.page("/admin/")
