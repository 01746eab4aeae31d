"""A tenant's own page in a browser: copied, renamed, and left in place while it refreshes."""

from playwright.sync_api import Page, expect

from tests.browser.keys import press, reach
from tests.browser.panel import Panel


def test_the_text_is_selected_when_the_browser_does_not_let_the_page_copy(
    page: Page, panel: Panel
) -> None:
    number = panel.ready("No clipboard")
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(f"/admin/tenant/details/?id={number}")
    press(page, page.get_by_role("button", name="Copy: the partition"))
    expect(page.locator("#copied")).to_contain_text("The text is selected: press Ctrl+C")
    with page.expect_response("**/admin/tenant/live/**"):
        pass
    assert page.evaluate("getSelection().toString()") == f"tenant_{number}"
    expect(page.locator("#copied")).to_contain_text("The text is selected")


def test_a_tenant_is_renamed_by_keyboard_alone(
    page: Page, panel: Panel, complaints: list[str]
) -> None:
    number = panel.ready("Old name")
    page.goto(f"/admin/tenant/details/?id={number}")
    press(page, page.get_by_role("link", name="Rename"))
    name = page.get_by_role("dialog").get_by_label("Name", exact=True)
    expect(name).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("  ")
    page.keyboard.press("Enter")
    expect(page.locator("#name-error")).to_contain_text("Must not be empty.")
    # Chromium itself notes each answer of 422.
    assert all("422" in complaint for complaint in complaints)
    complaints.clear()
    reach(page, page.get_by_label("Name", exact=True))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("New <b>name</b>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("New <b>name</b>")
    expect(page.locator("#partition")).to_have_text(f"tenant_{number}")


def test_what_is_open_focused_and_scrolled_stays_when_the_page_refreshes_itself(
    page: Page, panel: Panel
) -> None:
    (number,) = panel.failed("Keep my place")
    page.goto(f"/admin/tenant/details/?id={number}")
    details = page.locator("#request-1 details").first
    press(page, details.locator("summary"))
    page.locator("#insert").evaluate("element => element.scrollTo(0, 60)")
    page.evaluate("scrollTo(0, 80)")
    button = page.get_by_role("button", name="Copy: Search in this partition")
    button.evaluate("element => element.focus({preventScroll: true})")
    for _ in range(2):
        with page.expect_response("**/admin/tenant/live/**"):
            pass
    expect(details).to_have_attribute("open", "")
    expect(button).to_be_focused()
    places = page.evaluate("[document.querySelector('#insert').scrollTop, scrollY]")
    assert places == [60, 80]
