"""A tenant's own page in a browser: what is copied runs, and all is done by keyboard alone."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pymilvus import MilvusClient

from tests.acceptance.product import Product
from tests.browser.keys import press, reach

COLLECTION = "kb_chunks_v1"


@pytest.fixture
def clipboard(context: BrowserContext, product: Product, page: Page) -> Iterator[Callable[[], str]]:
    """Reads what was copied."""
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=product.url)
    yield lambda: str(page.evaluate("navigator.clipboard.readText()"))
    context.clear_permissions()


@pytest.fixture
def ready(product: Product) -> Callable[[str], int]:
    """Makes a tenant that is ready; returns its number."""

    def make(name: str) -> int:
        number = int(product.create(name)["id"])
        product.await_state(number, "ready")
        return number

    return make


def run(code: str) -> str:
    """What the code prints in a Python of its own, in which nothing is set."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        cwd=Path(sys.executable).parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows_in(milvus: MilvusClient, number: int) -> int:
    found = milvus.query(
        COLLECTION,
        filter="",
        output_fields=["text"],
        partition_names=[f"tenant_{number}"],
        limit=100,
    )
    return len(found)


def test_what_was_copied_runs_in_this_partition_only(
    page: Page,
    product: Product,
    ready: Callable[[str], int],
    clipboard: Callable[[], str],
    milvus: MilvusClient,
) -> None:
    other, number = ready("Neighbour"), ready("Snippet")
    product.flask("partitions", "reconcile", "--once")
    page.goto(f"/admin/tenant/details/?id={number}")
    press(page, page.get_by_role("button", name="Copy: the collection"))
    expect(page.locator("#copied")).to_have_text("Copied: the collection")
    assert clipboard() == COLLECTION
    press(page, page.get_by_role("button", name="Copy: the partition"))
    expect(page.locator("#copied")).to_have_text("Copied: the partition")
    assert clipboard() == f"tenant_{number}"
    press(page, page.get_by_role("button", name="Copy: Insert into this partition"))
    expect(page.locator("#copied")).to_have_text("Copied: Insert into this partition")
    assert run(clipboard()).startswith("1 ")
    assert (rows_in(milvus, number), rows_in(milvus, other)) == (1, 0)
    press(page, page.get_by_role("button", name="Copy: Search in this partition"))
    expect(page.locator("#copied")).to_have_text("Copied: Search in this partition")
    assert "The first chunk of a document." in run(clipboard())
    page.goto(f"/admin/tenant/details/?id={other}")
    assert run(page.locator("#search").inner_text()) == ""


def test_the_text_is_selected_when_the_browser_does_not_let_the_page_copy(
    page: Page, ready: Callable[[str], int]
) -> None:
    number = ready("No clipboard")
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(f"/admin/tenant/details/?id={number}")
    press(page, page.get_by_role("button", name="Copy: the partition"))
    expect(page.locator("#copied")).to_contain_text("The text is selected: press Ctrl+C")
    with page.expect_response("**/admin/tenant/live/**"):
        pass
    assert page.evaluate("getSelection().toString()") == f"tenant_{number}"
    expect(page.locator("#copied")).to_contain_text("The text is selected")


def test_the_timeline_leads_from_request_to_proof_when_a_failed_tenant_is_retried(
    page: Page, failed: Callable[..., list[int]]
) -> None:
    (number,) = failed("Second time lucky")
    page.goto(f"/admin/tenant/details/?id={number}")
    expect(page.locator("#wanted")).to_contain_text("Request 1: the original request")
    expect(page.locator("#last-attempt")).to_contain_text("Attempt 1 of 1")
    expect(page.locator("#request-1")).to_contain_text(re.compile(r"waited \d+ ms"))
    expect(page.locator("#request-1")).to_contain_text(re.compile(r"ran [\d.]+ (ms|s)"))
    press(page, page.get_by_role("button", name="Retry"))
    expect(page.locator("#badge")).to_have_text("ready")
    expect(page.locator("#wanted")).to_contain_text("Request 2: a retry, by admin@example.com")
    expect(page.locator("#request-2")).to_contain_text("proven after")
    expect(page.locator("#timeline h3").first).to_contain_text("Request 2")
    press(page, page.locator("#request-2").get_by_role("link", name=re.compile(f"^t{number}-g2-")))
    page.wait_for_url(f"**/rq/0/view/job/t{number}-g2-*")
    expect(page.locator("#job-data")).to_contain_text(f"tenant {number}, request 2")


def test_a_tenant_is_renamed_by_keyboard_alone(
    page: Page, ready: Callable[[str], int], complaints: list[str]
) -> None:
    number = ready("Old name")
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


def test_a_deletion_is_undone_by_keyboard_alone(
    page: Page, product: Product, ready: Callable[[str], int]
) -> None:
    number = ready("Oops")
    page.goto(f"/admin/tenant/details/?id={number}")
    press(page, page.get_by_role("link", name="Delete"))
    expect(page.get_by_label("Type Oops to go on")).to_be_focused()
    page.keyboard.type("Oops")
    page.keyboard.press("Enter")
    expect(page.locator("#notices")).to_contain_text("Oops was deleted. You can still keep it.")
    expect(page.locator("#leaving")).to_contain_text("Its partition is dropped in 6 d 23 h")
    expect(page.get_by_role("button", name="Keep tenant")).to_be_visible()
    press(page, page.locator("#notices").get_by_role("button", name="Undo"))
    expect(page.locator("#notices")).to_contain_text("Oops stays.")
    expect(page.locator("#badge")).to_have_text("ready")
    expect(page.locator("#wanted")).to_contain_text("called back, by admin@example.com")
    assert product.tenant(number)["status"] == "active"


def test_what_is_open_focused_and_scrolled_stays_when_the_page_refreshes_itself(
    page: Page, failed: Callable[..., list[int]]
) -> None:
    (number,) = failed("Keep my place")
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
