"""A tenant's way on the whole product: signed up, failed, retried, adopted, and used."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pymilvus import MilvusClient

from tests.acceptance.product import Product
from tests.browser.keys import press
from tests.browser.running.conftest import COLLECTION


@pytest.fixture
def clipboard(context: BrowserContext, product: Product, page: Page) -> Callable[[], str]:
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=product.url)
    return lambda: str(page.evaluate("navigator.clipboard.readText()"))


def ready(product: Product, name: str) -> int:
    number = int(product.create(name)["id"])
    product.await_state(number, "ready")
    return number


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
    partitions = [f"tenant_{number}"]
    return len(
        milvus.query(COLLECTION, output_fields=["text"], partition_names=partitions, limit=9)
    )


def test_a_new_tenant_turns_ready_without_a_reload_when_it_is_typed_in(page: Page) -> None:
    page.goto("/admin/")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/admin/tenant/")
    press(page, page.get_by_role("link", name="Add a tenant").first)
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("Typed by hand")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/tenant/details/**")
    page.evaluate("window.stayed = true")
    expect(page.get_by_role("heading", level=1)).to_have_text("Typed by hand")
    number = re.findall(r"id=(\d+)", page.url)[0]
    expect(page.locator("#partition")).to_have_text(f"tenant_{number}")
    expect(page.locator("#collection")).to_have_text(COLLECTION)
    expect(page.locator("#badge")).to_have_text("ready")
    expect(page.locator("#timeline")).to_contain_text("Partition created")
    assert page.evaluate("window.stayed")


def test_the_timeline_leads_from_request_to_proof_when_a_failed_tenant_is_retried(
    page: Page, failed: Callable[..., list[int]]
) -> None:
    (number,) = failed("Second time lucky")
    page.goto(f"/admin/tenant/details/?id={number}")
    expect(page.locator("#cause")).to_contain_text("Will a retry help?")
    expect(page.locator("#wanted")).to_contain_text("Request 1: the original request")
    expect(page.locator("#last-attempt")).to_contain_text("Attempt 1 of 1")
    expect(page.locator("#request-1")).to_contain_text(re.compile(r"waited \d+ ms"))
    expect(page.locator("#request-1")).to_contain_text(re.compile(r"ran [\d.]+ (ms|s)"))
    press(page, page.get_by_role("button", name="Retry"))
    expect(page.locator("#badge")).to_have_text("ready")
    expect(page.locator("#cause")).to_have_count(0)
    expect(page.locator("#wanted")).to_contain_text("Request 2: a retry, by admin@example.com")
    expect(page.locator("#request-2")).to_contain_text("proven after")
    expect(page.locator("#timeline h3").first).to_contain_text("Request 2")
    press(page, page.locator("#request-2").get_by_role("link", name=re.compile(f"^t{number}-g2-")))
    page.wait_for_url(f"**/rq/0/view/job/t{number}-g2-*")
    expect(page.locator("#job-data")).to_contain_text(f"tenant {number}, request 2")


def test_what_was_copied_runs_in_this_partition_only(
    page: Page, product: Product, clipboard: Callable[[], str], milvus: MilvusClient
) -> None:
    other, number = ready(product, "Neighbour"), ready(product, "Snippet")
    product.flask("partitions", "reconcile", "--once")
    page.goto(f"/admin/tenant/details/?id={number}")
    copied = {}
    for what in (
        *("the collection", "the partition"),
        *("Insert into this partition", "Search in this partition"),
    ):
        press(page, page.get_by_role("button", name=f"Copy: {what}"))
        expect(page.locator("#copied")).to_have_text(f"Copied: {what}")
        copied[what] = clipboard()
    assert copied["the collection"] == COLLECTION
    assert copied["the partition"] == f"tenant_{number}"
    assert run(copied["Insert into this partition"]).startswith("1 ")
    assert (rows_in(milvus, number), rows_in(milvus, other)) == (1, 0)
    assert "The first chunk of a document." in run(copied["Search in this partition"])
    page.goto(f"/admin/tenant/details/?id={other}")
    assert run(page.locator("#search").inner_text()) == ""


def test_rows_that_were_there_before_are_the_tenants_when_adopted(
    page: Page, foreign: Callable[[str], int]
) -> None:
    page.goto(f"/admin/tenant/details/?id={foreign('Foreign')}")
    expect(page.locator("#foreign")).to_contain_text("Rows in it: 5.")
    page.get_by_role("link", name="Destroy these rows…").click()
    expect(page.get_by_role("dialog")).to_contain_text("This cannot be undone.")
    page.get_by_role("dialog").get_by_role("link", name="Leave them").click()
    page.get_by_role("button", name="Adopt these rows").click()
    expect(page.locator("#badge")).to_have_text("ready")
    expect(page.locator("#state")).to_contain_text("5 rows that were there before")


def test_a_partition_of_nobody_is_shown_without_a_reload_when_it_was_found(
    page: Page, product: Product, milvus: MilvusClient
) -> None:
    # The first sweep may have met a Milvus that another test had frozen; the next is far.
    product.flask("partitions", "verify", check=False)
    page.goto("/admin/partitions/?tab=all")
    press(page, page.locator(".tabs").get_by_role("link", name=re.compile("^Drift")))
    expect(page.locator("#agreement")).to_contain_text("Database and Milvus agree, compared")
    press(page, page.get_by_role("button", name="Check isolation now"))
    expect(page.locator("#asked-for")).to_contain_text("Asked for at")
    page.evaluate("window.stayed = true")
    milvus.create_partition(COLLECTION, "tenant_4711")
    assert product.flask("partitions", "verify", check=False).returncode == 1
    expect(page.locator("#agreement")).to_contain_text("1 orphan")
    expect(page.locator("#kind-orphan")).to_contain_text("no tenant has 4711")
    expect(page.locator("#nav")).to_contain_text("Drift")
    assert page.evaluate("window.stayed")
    milvus.drop_partition(COLLECTION, "tenant_4711")
