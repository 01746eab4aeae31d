"""Tenants from a file on the whole product: wrong rows, the way to the result, and many of them."""

import csv
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.acceptance.product import Product
from tests.browser.keys import reach
from tests.engines.process import wait_until

# Several batches of the reconciler's.
FIRST, ROWS = 1_000_000, 2_000
FILE = ("name,slug", "Uploaded One,up-one", "Uploaded Two,", ",up-three", "Four,Not A Slug")


def write(folder: Path, *lines: str) -> Path:
    file = folder / "tenants.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def saved(page: Page, link: str) -> list[list[str]]:
    """The rows of the file behind a link, its first line among them."""
    with page.expect_download() as download:
        page.get_by_role("link", name=link).click()
    with download.value.path().open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.reader(lines))


def choose(page: Page, file: Path) -> None:
    page.goto("/admin/import/")
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Check the file").click()


def test_a_file_with_errors_becomes_tenants_and_a_result_file_by_the_keyboard(
    page: Page, tmp_path: Path
) -> None:
    # Whoever listens only when the key is pressed may come after the browser has opened its own.
    page.on("filechooser", lambda _: None)
    page.goto("/admin/")
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/admin/import/")
    page.get_by_label("CSV file").focus()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(write(tmp_path, *FILE))
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Check the file")).to_be_focused()
    page.keyboard.press("Enter")
    verdict = page.locator("#verdict")
    expect(verdict).to_contain_text("2 tenants can be created. Nothing has changed")
    expect(page.locator("#line-4")).to_contain_text("Name It is empty.")
    expect(page.locator("#line-5")).to_contain_text("Slug It must be small letters and digits")
    rejects = [row[:2] for row in saved(page, "Rejects, to be corrected")]
    assert rejects == [["name", "slug"], ["", "up-three"], ["Four", "Not A Slug"]]
    create = page.get_by_role("button", name="Create 2 tenants")
    reach(page, create)
    assert create.evaluate("button => getComputedStyle(button).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(verdict).to_have_text("2 tenants were created. 2 rows were left out.")
    expect(page.locator("#partitions-text")).to_contain_text("2 of 2 ready", timeout=30_000)
    page.reload()
    expect(page.locator("#partitions-text")).to_contain_text("2 of 2 ready")
    result = saved(page, "Result file")
    assert [row[4] for row in result] == ["outcome", "created", "created", "invalid", "invalid"]
    page.goto(f"/admin/tenant/details/?id={result[1][3]}")
    expect(page.locator("main h1")).to_contain_text("Uploaded One")
    expect(page.locator("#badge")).to_have_text("ready")

    choose(page, tmp_path / "tenants.csv")
    expect(verdict).to_have_text("There is nothing to create in this file.")
    expect(page.locator("#tile-unchanged")).to_contain_text("2")


def test_all_rows_are_created_when_browser_web_and_reconciler_are_gone(
    page: Page, product: Product, tmp_path: Path
) -> None:
    lines = [f"{number},Large {number}" for number in range(FIRST, FIRST + ROWS)]
    choose(page, write(tmp_path, "id,name", *lines))
    expect(page.locator("#tile-new")).to_contain_text("2,000", timeout=60_000)
    address = page.url
    product.kill("reconciler")
    page.get_by_role("button", name="Create 2,000 tenants").click()
    expect(page.get_by_role("progressbar")).to_have_attribute("max", str(ROWS))
    expect(page.locator("#progress-text")).to_contain_text("of 2,000 rows done")
    page.reload()
    expect(page.locator("#progress, #verdict").first).to_be_visible()
    page.goto("about:blank")
    product.kill("web")
    wait_until(lambda: is_created(product, FIRST + ROWS - 1), 240, "all rows to be created")
    page.goto(address)
    expect(page.locator("#verdict")).to_have_text("2,000 tenants were created.")
    result = saved(page, "Result file")
    assert len(result) == ROWS + 1
    assert {row[4] for row in result[1:]} == {"created"}


def is_created(product: Product, number: int) -> bool:
    """Whether there is such a tenant; not while nobody serves."""
    try:
        return product.api("GET", f"/api/tenants/{number}").status_code == 200
    except httpx.TransportError:
        return False
