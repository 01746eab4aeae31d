"""Times where the reader is, the language that was chosen, and both kept while a page refreshes."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.panel import Panel

CLOCK = re.compile(r"\d\d:\d\d:\d\d$")
UTC = re.compile(r"\d\d:\d\d:\d\d UTC$")


@pytest.fixture
def far_away(visitor: Callable[..., Page]) -> Page:
    """A page of somebody in Kathmandu, whose clocks are 5 h 45 min ahead of UTC."""
    return visitor(timezone_id="Asia/Kathmandu")


def test_times_are_local_with_utc_beside_when_the_page_refreshes_too(
    far_away: Page, panel: Panel
) -> None:
    number = panel.ready("Kathmandu")
    far_away.goto(f"/admin/tenant/details/?id={number}")
    time = far_away.locator("#timeline time").first
    expect(time).to_have_text(CLOCK)
    expect(time).to_have_attribute("title", re.compile(r"GMT\+5:45\n.* UTC$"))
    with far_away.expect_response("**/live/**"):
        pass
    expect(time).to_have_text(CLOCK)
    far_away.keyboard.press("u")
    expect(time).to_have_text(UTC)
    far_away.get_by_role("button", name="Times: UTC").click()
    expect(time).to_have_text(CLOCK)


def test_no_time_is_painted_in_utc_first(far_away: Page, panel: Panel) -> None:
    number = panel.ready("No flash")
    far_away.add_init_script(
        """window.painted = [];
        const look = () => {
            const time = document.querySelector("#timeline time");
            if (time) window.painted.push(time.textContent);
            if (window.painted.length < 20) requestAnimationFrame(look);
        };
        requestAnimationFrame(look);"""
    )
    far_away.goto(f"/admin/tenant/details/?id={number}")
    painted = far_away.evaluate(
        """new Promise((done) => {
            const look = () => painted.length < 20 ? requestAnimationFrame(look) : done(painted);
            look();
        })"""
    )
    assert [text for text in painted if "UTC" in text] == []


def test_the_language_is_kept_when_chosen_without_a_script(
    visitor: Callable[..., Page],
) -> None:
    page = visitor(java_script_enabled=False)
    page.goto("/admin/tenant/?search=abc")
    page.get_by_role("button", name="Italiano").click()
    page.wait_for_url("**/admin/tenant/?search=abc")
    expect(page.locator("html")).to_have_attribute("lang", "it")
    page.goto("/admin/")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_times_below_a_chart_are_local_with_utc_on_hover(far_away: Page) -> None:
    # 5 h 45 min ahead: where clocks show UTC, a time that is not local looks right.
    far_away.goto("/admin/?span=24h")
    label = far_away.locator("#chart-signups .times time").first
    expect(label).to_have_text(re.compile(r"^\d\d:45$"))
    expect(label).to_have_attribute("title", re.compile(r"GMT\+5:45\n.*:00 UTC$"))
