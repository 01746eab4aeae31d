"""The panel without a mouse: what Tab reaches, where the focus is seen, and the keys that help."""

from playwright.sync_api import Download, Locator, Page, expect

from tests.browser.keys import press, reach
from tests.browser.login import EMAIL
from tests.browser.panel import Panel

# Everything that could be clicked, and is to be seen.
TARGETS = """[...document.querySelectorAll(
    "a[href], button:not(:disabled), input:not([type=hidden]):not(:disabled), select, summary"
)].filter((element) => element.checkVisibility({ visibilityProperty: true })).length"""
# Code that scrolls is a stop too, and a field for a moment is one for each of its parts.
MORE_STOPS = 40
# The element in focus, with what shows that it is: its outline, or its row's mark.
FOCUSED = """() => {
    const element = document.activeElement;
    if (element === document.body) return null;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    element.dataset.reached = "true";
    return [element.outerHTML.slice(0, 120), outlineStyle !== "none" && outlineWidth !== "0px"];
}"""
MISSED = """[...document.querySelectorAll(
    "a[href], button:not(:disabled), input:not([type=hidden]):not(:disabled), select, summary"
)].filter((element) => element.checkVisibility({ visibilityProperty: true })
    && !element.dataset.reached).map((element) => element.outerHTML.slice(0, 120))"""


# One of each kind of page; what the lists hold is bounded by a search.
ADDRESSES = (
    *("/admin/", "/admin/tenant/?search=Keys", "/admin/partitions/?tab=all&search=Keys"),
    *("/admin/partitions/?tab=drift", "/admin/partitions/?tab=queues", "/admin/tenant/new/"),
    *("/admin/tenant/details/?id={number}", "/admin/tenant/delete/?id={number}"),
    *("/admin/audit/?search=Keys&via=api", "/admin/import/", "/admin/pause/"),
    "/admin/operations/review/?kind=delete&scope=selected&id={number}",
)


def walk_by_tab(page: Page) -> list[str]:
    """Press Tab until all was reached; what had the focus without showing it."""
    unseen = []
    for _ in range(int(page.evaluate(TARGETS)) + MORE_STOPS):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if not found and not page.evaluate(MISSED):
            break
        if found and not found[1]:
            unseen.append(found[0])
    return unseen


def test_tab_reaches_everything_and_the_focus_is_seen(page: Page, panel: Panel) -> None:
    number = panel.ready("Keys")
    for address in ADDRESSES:
        page.goto(address.format(number=number))
        if (pause := page.locator("[data-pause]")).count():
            pause.click()
            page.evaluate("document.activeElement.blur()")
        assert walk_by_tab(page) == [], address
        assert page.evaluate(MISSED) == [], address


def test_the_content_is_one_step_away_when_the_skip_link_is_taken(page: Page) -> None:
    page.goto("/admin/tenant/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_the_keys_are_listed_when_asked_for(page: Page) -> None:
    page.goto("/admin/")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("Next row, previous row")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    button = page.get_by_role("button", name="Keyboard shortcuts")
    button.click()
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(button).to_be_focused()


def test_g_and_a_letter_lead_to_a_page(page: Page, panel: Panel) -> None:
    page.goto("/admin/partitions/?tab=all")
    for letter, address in (("o", "/admin/"), ("t", "/admin/tenant/"), ("a", "/admin/audit/")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        # Once it has loaded: before that, the next page does not listen yet.
        page.wait_for_url(panel.url + address)
        expect(page).to_have_url(panel.url + address)


def test_rows_are_walked_selected_and_opened_by_keys(page: Page, panel: Panel) -> None:
    one, _ = (panel.ready(f"Row {letter}") for letter in "AB")
    page.goto("/admin/tenant/?search=Row")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Row A", exact=True)).to_be_focused()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Row B", exact=True)).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox", name="Select Row B")).to_be_checked()
    page.keyboard.press("k")
    expect(page.get_by_role("link", name="Row A", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/tenant/details/?id={one}")


def test_the_search_is_reached_from_any_page_and_left_by_escape(page: Page) -> None:
    page.set_viewport_size({"width": 1000, "height": 300})
    page.goto("/admin/")
    page.keyboard.press("/")
    page.wait_for_url("**/admin/tenant/#find")
    field = page.locator("[data-search]")
    expect(field).to_be_focused()
    # Neither does the way there scroll the title away, nor the key on a page scrolled down.
    assert page.evaluate("scrollY") == 0
    field.blur()
    page.evaluate("document.body.style.minHeight = '200vh'; scrollTo(0, 300)")
    page.keyboard.press("/")
    expect(field).to_be_focused()
    assert page.evaluate("scrollY") == 0
    page.keyboard.type("g t ?")
    expect(field).to_have_value("g t ?")
    page.keyboard.press("Escape")
    expect(field).not_to_be_focused()


def test_keys_do_nothing_when_they_were_switched_off(page: Page, panel: Panel) -> None:
    # Without a row there would be nothing that `j` could lead to.
    panel.create("Not walked to")
    page.goto("/admin/")
    page.keyboard.press("?")
    page.get_by_label("Use these keys in this browser").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto("/admin/tenant/")
    expect(page.locator("tbody tr").first).to_be_visible()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement === document.body")


def saved_by_key(page: Page, link: Locator) -> Download:
    """The file that comes when Enter is pressed on a link."""
    reach(page, link)
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    return download.value


def test_the_span_stays_chosen_and_the_table_open_when_the_page_refreshes(
    page: Page, panel: Panel
) -> None:
    panel.ready("Counted in the charts")
    panel.count()
    page.goto("/admin/")
    press(page, page.get_by_role("link", name="7 days"))
    page.wait_for_url("**/admin/?span=7d")
    press(page, page.get_by_text("The same as a table"))
    expect(page.get_by_role("columnheader", name="Half within")).to_be_visible()
    for _ in range(2):
        with page.expect_response("**/admin/live/**"):
            pass
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("columnheader", name="Half within")).to_be_visible()


def test_a_list_and_the_audit_are_saved_as_files(page: Page, panel: Panel) -> None:
    panel.create("Saved by key")
    page.goto("/admin/tenant/?search=Saved+by+key")
    tenants = saved_by_key(page, page.get_by_role("link", name="Export CSV"))
    assert "Saved by key" in tenants.path().read_text(encoding="utf-8-sig")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/admin/audit/")
    audit = saved_by_key(page, page.get_by_role("link", name="Export as CSV"))
    assert "export.tenants" in audit.path().read_text(encoding="utf-8-sig")


def test_what_is_held_back_while_a_row_is_selected_is_shown(page: Page, panel: Panel) -> None:
    one = panel.ready("Held one")
    page.goto("/admin/partitions/?tab=all&search=Held")
    press(page, page.locator(f"#pick-{one}"), "Space")
    other = panel.create("Held two")
    held = page.locator("[data-held]")
    expect(held).to_have_text("1 change – show")
    expect(page.locator(f"#row-{other}")).to_have_count(0)
    press(page, held)
    expect(page.locator(f"#row-{other}")).to_be_visible()
    expect(page.locator(f"#pick-{one}")).to_be_checked()


def test_language_theme_and_times_are_chosen(page: Page) -> None:
    page.goto("/admin/")
    press(page, page.get_by_role("button", name="Theme: system"))
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    press(page, page.get_by_role("button", name="Times: local"))
    expect(page.get_by_role("button", name="Times: UTC")).to_be_focused()
    press(page, page.get_by_role("button", name="Italiano"))
    expect(page.locator("html")).to_have_attribute("lang", "it")
    expect(page.get_by_role("heading", level=1)).to_have_text("Panoramica")
    press(page, page.get_by_role("button", name="English"))
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_text(EMAIL)).to_be_visible()
    press(page, page.get_by_role("button", name="Theme: light"))
    page.goto("/admin/tenant/")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(20, 24, 29)"
