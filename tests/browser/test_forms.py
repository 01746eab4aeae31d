"""Forms over a slow link, and after the session: pressed twice, pressed on the way back, kept."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from tests.browser.login import EMAIL
from tests.browser.panel import Panel

SLOW_MS = 700


def slow_down(page: Page) -> None:
    """Let each answer take its time, as over a bad link."""
    link = {"offline": False, "latency": SLOW_MS, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", link)


def place_of(element: Locator) -> tuple[float, float]:
    """Where to press: a mouse does not wait for what its first press began."""
    box = element.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.fixture
def posts(page: Page) -> list[str]:
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            sent.append(request.url)

    page.on("request", note)
    return sent


def test_one_tenant_is_made_when_create_is_pressed_twice_over_a_slow_link(
    page: Page, panel: Panel, posts: list[str]
) -> None:
    page.goto("/admin/tenant/new/")
    page.get_by_label("Name").fill("Twicepressed")
    slow_down(page)
    press = place_of(page.get_by_role("button", name="Add tenant"))
    with page.expect_request(lambda request: request.method == "POST"):
        page.mouse.click(*press)
    page.mouse.click(*press)
    page.wait_for_url(re.compile("/admin/tenant/details/"))
    assert len(posts) == 1
    (number,) = panel.named("Twicepressed")
    page.go_back()
    page.get_by_label("Name").fill("Twicepressed")
    page.get_by_role("button", name="Add tenant").click()
    page.wait_for_url(re.compile("/admin/tenant/details/"))
    assert len(posts) == 2
    assert number in panel.named("Twicepressed")


def test_what_was_typed_is_sent_after_the_login_when_the_session_was_over(
    visitor: Callable[..., Page], panel: Panel, complaints: list[str]
) -> None:
    page = visitor()
    page.goto("/admin/tenant/new/")
    page.get_by_label("Name").fill("Typedbefore")
    page.context.clear_cookies()
    page.get_by_role("button", name="Add tenant").click()
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(panel.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Send it again?")).to_be_visible()
    expect(page.locator("dd")).to_contain_text("Typedbefore")
    assert panel.named("Typedbefore") == []
    page.get_by_role("button", name="Send again").click()
    page.wait_for_url(re.compile("/admin/tenant/details/"))
    assert len(panel.named("Typedbefore")) == 1
    # The browser notes that the form was answered with 401.
    assert [complaint for complaint in complaints if "401" not in complaint] == []
    complaints.clear()
