"""The audit in a real browser: what is done by form, API and command is all there."""

import csv
import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.access import add_token
from tests.browser.login import EMAIL
from tests.browser.panel import Panel
from webapp.auth.roles import Role


@pytest.fixture
def lived(panel: Panel, page: Page) -> int:
    """A tenant that signed up by API, and was renamed by the form."""
    headers = {"Authorization": f"Bearer {add_token(panel.app, Role.OPERATOR)}"}
    asked = httpx.post(f"{panel.url}/api/tenants", json={"name": "Ocean S.p.A."}, headers=headers)
    number: int = asked.json()["id"]
    page.goto(f"/admin/tenant/edit/?id={number}")
    page.get_by_label("Name", exact=True).fill("Ocean Group")
    page.get_by_role("button", name=re.compile("Save")).click()
    page.wait_for_url("**/admin/tenant/details/**")
    return number


def test_what_was_done_by_form_api_and_command_is_there_with_who_and_from_where(
    page: Page, panel: Panel, lived: int
) -> None:
    add_token(panel.app, name="harbour")
    page.goto("/admin/")
    page.get_by_role("link", name="Audit").click()
    page.wait_for_url("**/admin/audit/")
    page.get_by_role("searchbox").fill("Ocean")
    page.get_by_role("searchbox").press("Enter")
    renamed, created = (
        page.get_by_role("row").filter(has_text=word) for word in ("Tenant renamed", "Tenant added")
    )
    for said in (EMAIL, "Panel · 127.0.0.1", "Ocean S.p.A.", "Ocean Group"):
        expect(renamed).to_contain_text(said)
    expect(renamed.locator("del")).to_contain_text(["Ocean S.p.A."])
    expect(renamed.locator("ins")).to_contain_text(["Ocean Group"])
    for said in ("token:", "API · 127.0.0.1", "Ocean S.p.A."):
        expect(created).to_contain_text(said)
    page.goto("/admin/audit/?search=harbour")
    made = page.get_by_role("row").filter(has_text="Token made")
    expect(made).to_contain_text(re.compile(r"cli.*Command line · \S+@\S+.*token harbour", re.S))
    expect(made.locator("time")).to_be_visible()
    page.goto("/admin/audit/?search=Ocean")
    page.get_by_role("link", name="Ocean Group").first.click()
    page.wait_for_url(f"**/admin/tenant/details/?id={lived}")


def test_entries_are_narrowed_and_shown_again_by_the_keyboard_alone(page: Page, lived: int) -> None:
    page.goto("/admin/audit/")
    page.keyboard.press("/")
    page.keyboard.type("ocean")
    page.keyboard.press("Enter")
    page.wait_for_url("**search=ocean**")
    expect(page.get_by_role("row").filter(has_text="Tenant renamed").first).to_be_visible()
    page.get_by_text("More filters").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Number of the tenant").focus()
    page.keyboard.type(str(lived))
    page.get_by_label("What", exact=True).select_option("Tenant added")
    page.get_by_role("button", name="Filter", exact=True).press("Enter")
    page.wait_for_url(f"**tenant={lived}**")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Who").fill("nobody@example.com")
    page.get_by_label("Who").press("Enter")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Clear all").press("Enter")
    page.wait_for_url("**/admin/audit/")


def test_the_file_holds_what_the_page_shows_and_its_making_is_noted(
    page: Page, lived: int, tmp_path: Path
) -> None:
    page.goto(f"/admin/audit/?tenant={lived}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    assert re.fullmatch(r"audit-\d{8}-\d{6}\.csv", download.value.suggested_filename)
    download.value.save_as(tmp_path / "audit.csv")
    with (tmp_path / "audit.csv").open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["action"] for row in rows] == ["tenant.rename", "tenant.create"]
    assert {row["tenant"] for row in rows} == {"Ocean Group"}
    page.goto("/admin/audit/?action=export.audit")
    expect(page.locator("tbody tr").first).to_contain_text(f"tenant: {lived}")


def test_all_that_one_request_did_is_a_click_away(page: Page, lived: int) -> None:
    page.goto(f"/admin/audit/?tenant={lived}&action=tenant.rename")
    asked = page.locator("a.request")
    request_id = asked.inner_text().strip()
    asked.click()
    page.wait_for_url("**request=**")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_label("Request id")).to_have_value(request_id.split()[-1])
