"""Pages ask the database a bounded number of questions, whatever the number of tenants."""

import pytest

from tests.access import ON_EACH_DATABASE
from tests.crowd import Crowd, seed
from tests.integration.admin.panel import MOST_QUERIES, OpenPanel
from tests.panels import FEW, Panel, pages
from webapp.models.causes import Cause

WITH_ARGUMENTS = [
    "/admin/audit/?search=x&actor=cli&since=2026-01-01T00:00",
    *("/admin/operations/show/?id=1", "/admin/operations/live/?id=1"),
    *("/admin/partitions/?operation=1&state=pending", "/admin/partitions/?tab=all"),
    "/admin/operations/review/?kind=delete&scope=matching",
]


@ON_EACH_DATABASE
def test_every_page_asks_few_questions_when_its_lists_are_full(admin: OpenPanel) -> None:
    seed(admin.engine, Crowd(*FEW))
    admin.send("/admin/partitions/retry/", scope="selected", id=2)
    measured = Panel(admin.app, admin, admin.engine)
    for address in [*pages(measured), *WITH_ARGUMENTS]:
        asked = measured.statements(address)
        assert 0 < len(asked) <= MOST_QUERIES, (address, asked)


def test_nothing_is_sent_again_when_a_live_part_is_as_it_was(panel: OpenPanel) -> None:
    failed = panel.add_failed()
    measured = Panel(panel.app, panel, panel.engine)
    address = "/admin/partitions/live/?tab=causes"
    first = measured.open(address)
    again = measured.open(address, first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["As-Of"] > first.headers["As-Of"]
    panel.change(failed, cause=Cause.CAPACITY)
    changed = measured.open(address, first.headers["ETag"])
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


@pytest.mark.parametrize("address", ["/admin/tenant/", "/admin/tenant/?state=failed"])
def test_the_list_is_not_sorted_row_by_row_when_an_index_has_its_order(
    panel: OpenPanel, address: str
) -> None:
    panel.add_failed()
    with panel.counted() as statements:
        panel.get(address)
    listing = next(text for text in statements if "LIMIT" in text and "tenant.slug" in text)
    steps = panel.plan(listing, ("failed", 50, 0) if "state=" in address else (50, 0))
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps, steps
