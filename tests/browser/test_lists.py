"""Long lists in a real browser: found, turned over, and left in place while rows change.

What 100,000 tenants cost a page is measured by `make bench`; here are enough for every border.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.panel import Panel, serving
from tests.crowd import Crowd, name_of, seed
from tests.engines.redis import RedisServer
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.states import PartitionState

CROWD = Crowd(2_000, 200)
LONGEST_FAILED = (
    "SELECT tenant_id FROM partition WHERE state = 'failed' ORDER BY waiting_since, tenant_id"
)
OF_A_CAUSE = "SELECT count(*) FROM partition WHERE cause = 'milvus_unreachable'"
# Two seconds until a page asks again, and some for a machine that has other things to do.
SEEN_WITHIN_MS = 4_000


@pytest.fixture(scope="module")
def panel(new_directory: Callable[[str], Path], redis_server: RedisServer) -> Iterator[Panel]:
    with serving(new_directory("crowd"), redis_server.new_database()) as served:
        seed(served.rows.engine, CROWD)
        yield served


def numbers(panel: Panel, query: str) -> list[int]:
    with panel.rows.engine.connect() as connection:
        return list(connection.exec_driver_sql(query).scalars())


def is_unchanged(answer: Response) -> bool:
    """Whether a live part was told that what it shows is still so."""
    return "/live/" in answer.url and answer.status == 304


def test_one_of_very_many_is_found_when_it_is_looked_for(page: Page) -> None:
    page.goto("/admin/tenant/")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.keyboard.press("/")
    for wanted in (name_of(1_777), "tenant_1777", "#1777", "t1777-g1-d1"):
        page.get_by_role("searchbox").fill(wanted)
        page.keyboard.press("Enter")
        expect(page.locator("tbody tr").first).to_contain_text(name_of(1_777))
    page.get_by_role("searchbox").fill("acme")
    page.keyboard.press("Enter")
    expect(page.locator("#cut")).to_contain_text("More than 500 tenants match.")
    expect(page.locator("tbody tr")).to_have_count(50)


def test_pages_are_turned_to_and_fro_when_there_are_very_many(page: Page) -> None:
    page.goto("/admin/tenant/")
    first = page.locator("tbody tr .name").all_inner_texts()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("link", name="Previous")).to_be_visible()
    second = page.locator("tbody tr .name").all_inner_texts()
    assert len(set(first) | set(second)) == 100
    assert max(first) < min(second)
    page.get_by_role("link", name="Previous").click()
    expect(page.locator("tbody tr .name").first).to_have_text(first[0])
    expect(page.locator(".foot")).to_contain_text("1–50 of 1,975")


def test_failures_are_told_by_cause_and_lead_to_who_failed(page: Page, panel: Panel) -> None:
    (count,) = numbers(panel, OF_A_CAUSE)
    page.goto("/admin/partitions/")
    expect(page.locator("#nav")).to_contain_text("200")
    family = page.locator("#family-milvus_unreachable")
    family.get_by_role("link", name=re.compile(f"{count} tenants")).first.click()
    expect(page.locator("tbody tr")).to_have_count(50)
    expect(page.locator(".foot")).to_contain_text(f"1–50 of {count}")
    page.get_by_role("searchbox").fill("müller")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr").first).to_contain_text("Müller")
    expect(page.locator("tbody .badge").first).to_have_text("failed")


def test_what_changes_is_seen_and_rows_stay_in_place_when_one_is_selected(
    page: Page, panel: Panel
) -> None:
    # So far down that the page has to be scrolled: at its top nothing could move it.
    picked, turned, gone = numbers(panel, f"{LONGEST_FAILED} LIMIT 50")[42:45]
    page.goto("/admin/partitions/?tab=all&state=failed")
    page.evaluate("window.stayed = true")
    page.locator(f"#pick-{picked}").check()
    page.locator(f"#row-{picked}").scroll_into_view_if_needed()
    before = page.evaluate("window.scrollY")
    assert before > 0
    panel.rows.change(turned, cause=Cause.AUTH, waiting_since=utc_now())
    panel.rows.change(gone, state=PartitionState.READY, cause=None, state_since=utc_now())
    expect(page.locator("#nav")).to_contain_text("199", timeout=SEEN_WITHIN_MS)
    expect(page.locator("[data-held]")).to_have_text("2 changes – show")
    expect(page.locator("[data-held]")).to_be_in_viewport()
    expect(page.locator(f"#row-{gone}")).to_be_visible()
    expect(page.locator(f"#pick-{picked}")).to_be_checked()
    assert page.evaluate("window.scrollY") == before
    page.locator("[data-held]").click()
    expect(page.locator(f"#row-{gone}")).to_have_count(0)
    expect(page.locator("[data-held]")).to_be_hidden()
    expect(page.locator(f"#pick-{picked}")).to_be_checked()
    assert page.evaluate("[window.stayed, window.scrollY]") == [True, before]


def test_the_stamp_moves_on_when_nothing_has_changed(page: Page) -> None:
    # A list of one: among many that were turned within the hour, one's age changes at any time.
    page.goto("/admin/partitions/?tab=all&search=tenant_1777")
    stamp = page.locator("[data-stamp-text]")
    # The first answer brings the content once more, and moves the stamp with it.
    with page.expect_response(is_unchanged):
        pass
    before = stamp.inner_text()
    with page.expect_response(is_unchanged):
        pass
    expect(stamp).not_to_have_text(before)
    expect(stamp).to_contain_text("Updated")
