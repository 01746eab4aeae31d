"""Retries and deletions of many: the question before, the progress, and what became of them."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from pymilvus import MilvusClient

from tests.acceptance.product import Product

COLLECTION = "kb_chunks_v1"
OLD = [{"text": "old", "vector": [0.1] * 1536}]


def foreign(product: Product, milvus: MilvusClient, name: str) -> int:
    """A tenant that failed because its partition holds pre-existing rows."""
    number: int = product.create(f"{name} before")["id"] + 1
    milvus.create_partition(COLLECTION, f"tenant_{number}")
    milvus.insert(COLLECTION, OLD, partition_name=f"tenant_{number}")
    assert product.create(name)["id"] == number
    product.await_state(number, "failed")
    return number


def freed(product: Product, milvus: MilvusClient, number: int) -> None:
    """Take the rows away, so that the tests that follow find nothing of this one."""
    milvus.drop_partition(COLLECTION, f"tenant_{number}")
    product.api("DELETE", f"/api/tenants/{number}")


def test_all_of_a_cause_are_followed_to_their_result_when_they_are_retried(
    page: Page, product: Product, failed: Callable[..., list[int]]
) -> None:
    # Two: a third would open the circuit, and then nobody is asked for a while.
    numbers = failed("Follow one", "Follow two")
    cause = product.tenant(numbers[0])["partition"]["cause"]
    page.goto("/admin/partitions/")
    family = page.locator(f"#family-{cause}")
    expect(family).to_contain_text("Will a retry help? Yes")
    expect(family.locator("pre")).not_to_be_empty()
    family.locator("[data-retry]").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("#dry-run")).to_contain_text("Nothing has changed yet.")
    assert product.tenant(numbers[0])["partition"]["status"] == "failed"
    with product.frozen("worker"):
        dialog.get_by_role("button", name=re.compile("^Queue")).click()
        page.wait_for_url("**/admin/operations/show/**")
        expect(page.locator("#operation-said")).to_contain_text("waiting.")
        page.reload()
        bar = page.get_by_role("progressbar")
        assert float(bar.get_attribute("value") or "") < float(bar.get_attribute("max") or "")
    expect(page.locator("#operation-state")).to_have_text("done", timeout=30_000)
    expect(page.locator("#operation-said")).to_contain_text("ready, 0 failed again.")
    page.locator("#ready").click()
    expect(page.locator(f"#row-{numbers[0]} .badge")).to_have_text("ready")
    page.get_by_role("link", name="Back to the operation").click()
    page.get_by_role("link", name="Operations").first.click()
    expect(page.locator("#operations tbody tr").first).to_contain_text("Retry of")


@pytest.fixture
def stranger(product: Product, milvus: MilvusClient) -> Callable[[str], int]:
    """Makes a tenant that no retry helps."""
    return lambda name: foreign(product, milvus, name)


def test_a_retry_that_cannot_help_says_so_before_the_click_and_after(
    page: Page, product: Product, milvus: MilvusClient, stranger: Callable[[str], int]
) -> None:
    number = stranger("Hopeless")
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
    expect(family).to_contain_text("1 of 1 finished: 0 ready, 1 failed again.")
    page.goto("/admin/partitions/?tab=all&search=Hopeless")
    row = page.locator(f"#row-{number}")
    expect(row.get_by_role("button", name="Retry")).to_have_count(0)
    row.get_by_role("link", name="See why").click()
    page.wait_for_url(f"**/admin/tenant/details/?id={number}")
    expect(page.locator("#decide")).to_be_visible()
    freed(product, milvus, number)


def test_hopeless_causes_are_not_ticked_when_all_that_failed_are_retried(
    page: Page,
    product: Product,
    milvus: MilvusClient,
    failed: Callable[..., list[int]],
    stranger: Callable[[str], int],
) -> None:
    (number,) = failed("Mixed")
    other = stranger("Mixed foreign")
    page.goto("/admin/partitions/?tab=causes")
    page.get_by_role("link", name=re.compile("^Retry all")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("checkbox", name=re.compile("Foreign data"))).not_to_be_checked()
    dialog.get_by_role("button", name="Queue the retries").click()
    product.await_state(number, "ready")
    assert product.tenant(other)["partition"]["attempts"] == 1
    freed(product, milvus, other)


def test_all_that_match_are_deleted_and_kept_when_their_number_is_typed(
    page: Page, product: Product
) -> None:
    rows = [{"name": f"Leave {n:02}"} for n in range(60)]
    assert product.api("POST", "/api/tenants/bulk", json={"tenants": rows}).status_code == 200
    page.goto("/admin/partitions/?search=Leave+")
    page.get_by_label("Select the 50 shown").check()
    expect(page.locator("#picked")).to_have_text("50 selected")
    page.get_by_label("Select all 60 that match").check()
    expect(page.locator("#picked")).to_contain_text("All 60 selected")
    page.locator("#bulk-delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("60 tenants will be deleted.")
    typed = dialog.get_by_role("textbox")
    typed.fill("50")
    dialog.get_by_role("button", name="Delete 60 tenants").click()
    assert page.evaluate("document.querySelector('#typed').validity.customError")
    typed.fill("60")
    dialog.get_by_role("button", name="Delete 60 tenants").click()
    page.wait_for_url("**/admin/operations/show/**")
    expect(page.locator("#operation-said")).to_contain_text("60 of 60 deleted")
    page.get_by_role("link", name="Keep 60 after all…").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep 60 tenants").click()
    expect(page.locator("#operation-said")).to_contain_text("60 of 60 finished", timeout=60_000)


def test_the_selection_stays_when_the_list_refreshes_itself(page: Page, product: Product) -> None:
    one, other = (product.create(f"Choose {n}")["id"] for n in range(2))
    product.await_state(other, "ready")
    page.goto("/admin/partitions/?search=Choose")
    page.locator(f"#pick-{one}").check()
    expect(page.locator("#bulk-delete")).to_be_enabled()
    with page.expect_response("**/admin/partitions/live/**"):
        pass
    expect(page.locator("#picked")).to_have_text("1 selected")
    expect(page.locator(f"#pick-{one}")).to_be_checked()
    expect(page.locator(f"#pick-{other}")).not_to_be_checked()
    page.locator(f"#pick-{one}").uncheck()
    expect(page.locator("#bulk-delete")).to_be_disabled()


def test_a_retry_is_asked_for_with_keys_alone(
    page: Page, product: Product, failed: Callable[..., list[int]]
) -> None:
    (number,) = failed("By keys")
    page.goto("/admin/partitions/?search=By+keys")
    page.locator("#pick-all").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    for _ in range(5):
        if page.evaluate("document.activeElement.id") == "bulk-retry":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Tab")
    for _ in range(3):
        if page.evaluate("document.activeElement.matches('dialog button.primary')"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/operations/show/**")
    product.await_state(number, "ready")


def test_the_selected_are_retried_when_there_is_no_script(
    visitor: Callable[..., Page],
    product: Product,
    failed: Callable[..., list[int]],
) -> None:
    one, other = failed("Scriptless one", "Scriptless two")
    page = visitor(java_script_enabled=False)
    page.goto("/admin/partitions/?search=Scriptless")
    page.locator(f"#pick-{one}").check()
    page.locator("#bulk-retry").click()
    page.get_by_role("button", name="Queue 1 retry").click()
    product.await_state(one, "ready")
    assert product.tenant(other)["partition"]["status"] == "failed"
