"""Retries and deletions of many: the question before, the progress, and what became of them."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.acceptance.product import Product
from tests.browser.keys import press, reach


def test_all_of_a_cause_are_followed_to_their_result_when_they_are_retried_by_keyboard(
    page: Page, product: Product, failed: Callable[..., list[int]]
) -> None:
    # Two: a third would open the circuit, and then nobody is asked for a while.
    numbers = failed("Follow one", "Follow two")
    cause = product.tenant(numbers[0])["partition"]["cause"]
    page.goto("/admin/")
    press(page, page.locator("#tiles").get_by_role("link", name=re.compile("Failed")))
    family = page.locator(f"#family-{cause}")
    expect(family).to_contain_text("Will a retry help? Yes")
    expect(family.locator("pre")).not_to_be_empty()
    press(page, family.locator("[data-retry]"))
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("#dry-run")).to_contain_text("Nothing has changed yet.")
    assert product.tenant(numbers[0])["partition"]["status"] == "failed"
    with product.frozen("worker"):
        press(page, dialog.get_by_role("button", name=re.compile("^Queue")))
        page.wait_for_url("**/admin/operations/show/**")
        expect(page.locator("#operation-said")).to_contain_text("waiting.")
        page.reload()
        bar = page.get_by_role("progressbar")
        assert float(bar.get_attribute("value") or "") < float(bar.get_attribute("max") or "")
    expect(page.locator("#operation-state")).to_have_text("done", timeout=30_000)
    expect(page.locator("#operation-said")).to_contain_text("ready, 0 failed again.")
    press(page, page.locator("#ready"))
    expect(page.locator(f"#row-{numbers[0]} .badge")).to_have_text("ready")
    page.get_by_role("link", name="Back to the operation").click()
    page.get_by_role("link", name="Operations").first.click()
    expect(page.locator("#operations tbody tr").first).to_contain_text("Retry of")


def test_a_retry_that_cannot_help_says_so_before_the_click_and_after(
    page: Page, foreign: Callable[[str], int]
) -> None:
    number = foreign("Hopeless")
    page.goto("/admin/partitions/?tab=causes")
    family = page.locator("#family-foreign_data")
    expect(family).to_contain_text("Will a retry help? No.")
    expect(family.locator("[data-retry]")).not_to_have_class(re.compile("primary"))
    family.locator("[data-retry]").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("#hopeless")).to_contain_text("A retry will not help.")
    expect(dialog.locator("button.primary")).to_have_count(0)
    dialog.get_by_role("button", name="Retry all the same").click()
    page.wait_for_url("**/admin/operations/show/**")
    expect(page.locator("#operation-state")).to_contain_text("failed again", timeout=30_000)
    expect(page.locator("#again-foreign_data")).to_contain_text("find the owner")
    page.goto("/admin/partitions/?tab=causes")
    expect(family).to_contain_text("0 of 1 ready, 1 failed again.")
    page.goto("/admin/partitions/?tab=all&search=Hopeless")
    row = page.locator(f"#row-{number}")
    expect(row.get_by_role("button", name="Retry")).to_have_count(0)
    row.get_by_role("link", name="See why").click()
    page.wait_for_url(f"**/admin/tenant/details/?id={number}")
    expect(page.locator("#decide")).to_be_visible()


def test_all_that_match_are_deleted_and_kept_when_their_number_is_typed(
    page: Page, product: Product
) -> None:
    rows = [{"name": f"Parting {n:02}"} for n in range(51)]
    assert product.api("POST", "/api/tenants/bulk", json={"tenants": rows}).status_code == 200
    page.goto("/admin/tenant/")
    page.keyboard.press("/")
    page.keyboard.type("Parting")
    page.keyboard.press("Enter")
    page.wait_for_url("**search=Parting**")
    page.get_by_label("Select the 50 shown").check()
    expect(page.locator("#picked")).to_have_text("50 selected")
    press(page, page.get_by_label("Select all 51 that match"), "Space")
    expect(page.locator("#picked")).to_contain_text("All 51 selected")
    press(page, page.locator("#bulk-delete"))
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("51 tenants will be deleted.")
    reach(page, dialog.get_by_role("textbox"))
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('#typed').validity.customError")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/operations/show/**")
    expect(page.locator("#operation-said")).to_contain_text("51 of 51 deleted")
    press(page, page.get_by_role("link", name="Keep 51 after all…"))
    press(page, dialog.get_by_role("button", name="Keep 51 tenants"))
    expect(page.locator("#operation-said")).to_contain_text("51 of 51 ready", timeout=60_000)
