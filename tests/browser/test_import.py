"""Tenants from a file, in a real browser: wrong rows, the way to the result, and 10,000 of them."""

import contextlib
import csv
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.product import Product
from tests.engines.process import wait_until

FIRST, ROWS = 1_000_000, 10_000


def write(folder: Path, *lines: str, name: str = "tenants.csv") -> str:
    """A file to be uploaded."""
    file = folder / name
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)


def saved(page: Page, link: str) -> list[list[str]]:
    """The rows of the file behind a link, its first line among them."""
    with page.expect_download() as download:
        page.get_by_role("link", name=link).click()
    with download.value.path().open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.reader(lines))


def choose(page: Page, file: str) -> None:
    page.goto("/admin/import/")
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Check the file").click()


def test_a_file_with_errors_becomes_tenants_and_a_result_file(page: Page, tmp_path: Path) -> None:
    first = "Uploaded One,up-one"
    choose(
        page, write(tmp_path, "name,slug", first, "Uploaded Two,", ",up-three", "Four,Not A Slug")
    )
    expect(page.locator("#verdict")).to_contain_text(
        "2 tenants can be created. Nothing has changed"
    )
    expect(page.locator("#line-4")).to_contain_text("Name It is empty.")
    expect(page.locator("#line-5")).to_contain_text("Slug It must be small letters and digits")
    rejects = saved(page, "Rejects, to be corrected")
    assert [row[:2] for row in rejects] == [
        ["name", "slug"],
        ["", "up-three"],
        ["Four", "Not A Slug"],
    ]
    page.get_by_role("button", name="Create 2 tenants").click()
    expect(page.locator("#verdict")).to_have_text("2 tenants were created. 2 rows were left out.")
    expect(page.locator("#partitions-text")).to_contain_text("2 of 2 ready", timeout=30_000)
    page.reload()
    expect(page.locator("#partitions-text")).to_contain_text("2 of 2 ready")
    result = saved(page, "Result file")
    assert [row[4] for row in result] == ["outcome", "created", "created", "invalid", "invalid"]
    page.goto(f"/admin/tenant/details/?id={result[1][3]}")
    expect(page.locator("main h1")).to_contain_text("Uploaded One")
    expect(page.locator("#badge")).to_have_text("ready")


def test_nothing_is_created_twice_when_the_same_file_comes_again(
    page: Page, product: Product, tmp_path: Path
) -> None:
    file = write(tmp_path, "name", "Twice Uploaded")
    for _ in range(2):
        choose(page, file)
        page.locator("#verdict").wait_for()
        if page.get_by_role("button", name="Create 1 tenant").count():
            page.get_by_role("button", name="Create 1 tenant").click()
            expect(page.locator("#verdict")).to_contain_text("1 tenant was created.")
    expect(page.locator("#verdict")).to_have_text("There is nothing to create in this file.")
    expect(page.locator("#tile-unchanged")).to_contain_text("1")
    assert len(product.api("GET", "/api/tenants?q=Twice Uploaded").json()["items"]) == 1


def test_a_file_is_refused_on_the_page_when_it_cannot_be_read(
    page: Page, tmp_path: Path, complaints: list[str]
) -> None:
    (tmp_path / "old.csv").write_bytes("name\nMüller\n".encode("latin-1"))
    choose(page, str(tmp_path / "old.csv"))
    expect(page.get_by_role("alert")).to_contain_text("Line 2 is not written in UTF-8.")
    expect(page.get_by_label("CSV file")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("CSV file").set_input_files(write(tmp_path, "name", "x" * 5_000_000))
    page.get_by_role("button", name="Check the file").click()
    said = page.get_by_label("CSV file").evaluate("field => field.validationMessage")
    assert said.startswith("The file is larger than 4 MB.")
    # Chromium itself notes each answer of 422.
    assert all("422" in complaint for complaint in complaints)
    complaints.clear()


def test_a_file_is_imported_with_the_keyboard_alone(page: Page, tmp_path: Path) -> None:
    # Whoever listens only when the key is pressed may come after the browser has opened its own.
    page.on("filechooser", lambda _: None)
    page.goto("/admin/")
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/admin/import/")
    page.get_by_label("CSV file").focus()
    expect(page.get_by_label("CSV file")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(write(tmp_path, "name", "Typed In"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Check the file")).to_be_focused()
    page.keyboard.press("Enter")
    create = page.get_by_role("button", name="Create 1 tenant")
    create.wait_for()
    for _ in range(40):
        page.keyboard.press("Tab")
        if create.evaluate("button => button === document.activeElement"):
            break
    assert create.evaluate("button => getComputedStyle(button).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_contain_text("1 tenant was created.")


def test_hostile_text_is_shown_as_text_when_it_is_uploaded(page: Page, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    choose(page, write(tmp_path, "name,slug", f'"{name}",', f'"{name}",Bad', name="<b>.csv"))
    expect(page.locator("main h1")).to_have_text("<b>.csv")
    expect(page.locator("#line-3")).to_contain_text(name)
    page.get_by_role("button", name="Discard the file").click()
    expect(page.locator("#notices")).to_contain_text("The file was discarded.")
    expect(page.get_by_role("table")).to_contain_text("<b>.csv")


def test_what_the_filter_shows_is_saved_when_it_is_exported(
    page: Page, product: Product, failed: Callable[..., list[int]]
) -> None:
    # Beside the one that is meant, one that only the state lets through, and one only the search.
    number, _ = failed("=1+1 exported", "Failed alone")
    product.await_state(product.create("Ready, exported")["id"], "ready")
    page.goto("/admin/tenant/")
    with page.expect_download() as download:
        page.evaluate("location.assign('/admin/export/tenants.csv?state=failed&search=exported')")
    with download.value.path().open(encoding="utf-8-sig", newline="") as lines:
        rows = [(row["id"], row["name"], row["state"]) for row in csv.DictReader(lines)]
    assert rows == [(str(number), "'=1+1 exported", "failed")]


@pytest.fixture
def put_away(product: Product) -> Iterator[None]:
    """Takes the tenants of the large file out again: they would be in everybody's way."""
    yield
    with contextlib.closing(sqlite3.connect(product.var_dir / "paratia.db", timeout=30)) as rows:
        rows.execute("DELETE FROM tenant WHERE id BETWEEN ? AND ?", (FIRST, FIRST + ROWS))
        rows.commit()


@pytest.mark.usefixtures("put_away")
def test_ten_thousand_rows_are_created_when_browser_web_and_reconciler_are_gone(
    page: Page, product: Product, tmp_path: Path
) -> None:
    lines = [f"{number},Large {number}" for number in range(FIRST, FIRST + ROWS)]
    began = time.monotonic()
    choose(page, write(tmp_path, "id,name", *lines))
    expect(page.locator("#tile-new")).to_contain_text("10,000", timeout=60_000)
    checked_s = time.monotonic() - began
    address, began = page.url, time.monotonic()
    product.kill("reconciler")
    page.get_by_role("button", name="Create 10,000 tenants").click()
    expect(page.get_by_role("progressbar")).to_have_attribute("max", str(ROWS))
    expect(page.locator("#progress-text")).to_contain_text("of 10,000 rows done")
    page.reload()
    expect(page.locator("#progress, #verdict").first).to_be_visible()
    page.goto("about:blank")
    product.kill("web")
    wait_until(lambda: is_created(product, FIRST + ROWS - 1), 240, "all rows to be created")
    print(f"checked in {checked_s:.1f} s, created in {time.monotonic() - began:.1f} s")
    page.goto(address)
    expect(page.locator("#verdict")).to_have_text("10,000 tenants were created.")
    result = saved(page, "Result file")
    assert len(result) == ROWS + 1
    assert {row[4] for row in result[1:]} == {"created"}


def is_created(product: Product, number: int) -> bool:
    """Whether there is such a tenant; not while nobody serves."""
    try:
        return product.api("GET", f"/api/tenants/{number}").status_code == 200
    except httpx.TransportError:
        return False
