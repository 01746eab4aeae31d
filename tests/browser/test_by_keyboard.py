"""What an operator does on a bad night, with the keyboard alone: no test here clicks anything.

A tenant's own page and the import have such stories in their own files.
"""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Download, Locator, Page, expect

from tests.acceptance.product import Product
from tests.browser.keys import press, reach
from tests.browser.login import EMAIL


@pytest.fixture(autouse=True)
def _goes_on(product: Product) -> Iterator[None]:
    """Whatever became of a test, the next one finds nothing paused."""
    yield
    product.api("POST", "/api/partitions/resume")


def saved_by_key(page: Page, link: Locator) -> Download:
    """The file that comes when Enter is pressed on a link."""
    reach(page, link)
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    return download.value


def test_one_logs_in_and_out(visitor: Callable[..., Page], product: Product) -> None:
    words = ("--email", "keys@example.com", "--role", "viewer", "--password", product.password)
    product.flask("users", "create", *words)
    page = visitor(storage_state=None)
    page.goto("/admin/operations/")
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.keyboard.type("keys@example.com")
    page.keyboard.press("Tab")
    page.keyboard.type(product.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/operations/")
    press(page, page.get_by_role("button", name="Log out"))
    page.wait_for_url("**/login")


def test_a_tenant_is_added_and_seen_to_become_ready(page: Page) -> None:
    page.goto("/admin/")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/admin/tenant/")
    press(page, page.get_by_role("link", name="Add a tenant").first)
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("Typed by hand")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Typed by hand")
    expect(page.locator("#badge")).to_have_text("ready")


def test_the_overview_leads_to_a_cause_and_all_of_it_is_retried(
    page: Page, product: Product, failed: Callable[..., list[int]]
) -> None:
    (number,) = failed("Down at night")
    cause = product.tenant(number)["partition"]["cause"]
    page.goto("/admin/")
    press(page, page.locator("#tiles").get_by_role("link", name=re.compile("Failed")))
    family = page.locator(f"#family-{cause}")
    press(page, family.locator("[data-retry]"))
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("#dry-run")).to_contain_text("Nothing has changed yet.")
    press(page, dialog.get_by_role("button", name=re.compile("^Queue")))
    page.wait_for_url("**/admin/operations/show/**")
    product.await_state(number, "ready")
    expect(page.locator("#operation-state")).to_contain_text("done")
    press(page, page.locator("#ready"))
    expect(page.locator(f"#row-{number} .badge")).to_have_text("ready")


def test_the_span_of_the_charts_is_chosen_and_their_table_opened(page: Page) -> None:
    page.goto("/admin/")
    press(page, page.get_by_role("link", name="7 days"))
    page.wait_for_url("**/admin/?span=7d")
    press(page, page.get_by_text("The same as a table"))
    expect(page.get_by_role("columnheader", name="Half within")).to_be_visible()


def test_all_that_match_are_deleted_and_kept(page: Page, product: Product) -> None:
    rows = [{"name": f"Parting {n:02}"} for n in range(51)]
    assert product.api("POST", "/api/tenants/bulk", json={"tenants": rows}).status_code == 200
    page.goto("/admin/tenant/")
    page.keyboard.press("/")
    page.keyboard.type("Parting")
    page.keyboard.press("Enter")
    page.wait_for_url("**search=Parting**")
    press(page, page.get_by_label("Select all 51 that match"), "Space")
    expect(page.locator("#picked")).to_contain_text("All 51 selected")
    press(page, page.locator("#bulk-delete"))
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("51 tenants will be deleted.")
    reach(page, dialog.get_by_role("textbox"))
    page.keyboard.type("51")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/operations/show/**")
    expect(page.locator("#operation-said")).to_contain_text("51 of 51 deleted")
    press(page, page.get_by_role("link", name="Keep 51 after all…"))
    press(page, dialog.get_by_role("button", name="Keep 51 tenants"))
    expect(page.locator("#operation-said")).to_contain_text("51 of 51 finished", timeout=60_000)


def test_a_list_and_the_audit_are_saved_as_files(page: Page, product: Product) -> None:
    product.create("Saved by key")
    page.goto("/admin/tenant/?search=Saved+by+key")
    tenants = saved_by_key(page, page.get_by_role("link", name="Export CSV"))
    assert "Saved by key" in tenants.path().read_text(encoding="utf-8-sig")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/admin/audit/")
    audit = saved_by_key(page, page.get_by_role("link", name="Export as CSV"))
    assert "export.tenants" in audit.path().read_text(encoding="utf-8-sig")


def test_the_audit_is_narrowed_and_shown_whole_again(page: Page, product: Product) -> None:
    number = product.create("Looked up by key")["id"]
    page.goto("/admin/audit/")
    press(page, page.get_by_text("More filters"))
    reach(page, page.get_by_label("What", exact=True))
    # A list of choices is walked by the letters of a choice.
    page.keyboard.type("Tenant added")
    reach(page, page.get_by_label("Number of the tenant"))
    page.keyboard.type(str(number))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**tenant={number}**")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("Looked up by key")
    press(page, page.get_by_role("link", name="Clear all"))
    page.wait_for_url("**/admin/audit/")


def test_provisioning_is_paused_and_resumed(page: Page) -> None:
    page.goto("/admin/")
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/admin/partitions/**")
    press(page, page.get_by_role("link", name="Queues and workers"))
    press(page, page.get_by_role("link", name="Pause provisioning"))
    reach(page, page.get_by_label("Reason"))
    page.keyboard.type("A new disk")
    page.keyboard.press("Enter")
    expect(page.locator("#paused")).to_contain_text("A new disk")
    press(page, page.get_by_role("button", name="Resume provisioning").first)
    expect(page.locator("#paused")).to_be_empty()


def test_what_is_held_back_while_a_row_is_selected_is_shown(page: Page, product: Product) -> None:
    one = product.create("Held one")["id"]
    product.await_state(one, "ready")
    page.goto("/admin/partitions/?tab=all&search=Held")
    press(page, page.locator(f"#pick-{one}"), "Space")
    other = product.create("Held two")["id"]
    held = page.locator("[data-held]")
    expect(held).to_have_text("1 change – show")
    expect(page.locator(f"#row-{other}")).to_have_count(0)
    press(page, held)
    expect(page.locator(f"#row-{other}")).to_be_visible()
    expect(page.locator(f"#pick-{one}")).to_be_checked()


def test_live_updates_are_stopped_and_go_on(page: Page) -> None:
    page.goto("/admin/partitions/?tab=all")
    press(page, page.get_by_role("button", name="Freeze view"))
    expect(page.locator("[data-stamp-text]")).to_contain_text("Frozen. Figures are from")
    page.keyboard.press("Enter")
    expect(page.locator("[data-stamp-text]")).to_contain_text("every 2 s")


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
