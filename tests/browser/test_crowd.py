"""The panel in a real browser with 100,000 tenants, 5,000 of whom have failed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response, expect
from sqlalchemy import Engine, text, update
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import PartitionState

from tests.acceptance.product import Product, running_product
from tests.browser.login import logged_in
from tests.crowd import Crowd, name_of, seed
from tests.engines.process import wait_until
from tests.factories import open_engine

CROWD = Crowd()
LONGEST_FAILED = (
    "SELECT tenant_id FROM partition WHERE state = 'failed' ORDER BY state_since, tenant_id"
)
# Two seconds until a page asks again, and some for a machine that has other things to do.
SEEN_WITHIN_MS = 4_000


@pytest.fixture(scope="module")
def product(new_directory: Callable[[str], Path]) -> Iterator[Product]:
    """A product of its own, whose sweep has looked once and does not look again."""
    with running_product(new_directory("crowd"), RECONCILE_INTERVAL="600") as running:
        engine = open_engine(f"sqlite:///{running.var_dir}/paratia.db")
        wait_until(lambda: is_swept(engine), 60, "the first sweep")
        seed(engine, CROWD)
        engine.dispose()
        yield running


@pytest.fixture(scope="module")
def session_state(product: Product, browser: Browser) -> Any:
    """The cookies of somebody who has logged in to this product."""
    return logged_in(browser, product)


@pytest.fixture
def engine(product: Product) -> Iterator[Engine]:
    """The product's database."""
    engine = open_engine(f"sqlite:///{product.var_dir}/paratia.db")
    yield engine
    engine.dispose()


def is_swept(engine: Engine) -> bool:
    """Whether a sweep has ended."""
    with engine.connect() as connection:
        ended = "SELECT count(*) FROM sweep_turn WHERE finished_at IS NOT NULL"
        return bool(connection.execute(text(ended)).scalar())


def longest_failed(engine: Engine) -> list[int]:
    """The numbers on the first page of the failed."""
    with engine.connect() as connection:
        return list(connection.execute(text(f"{LONGEST_FAILED} LIMIT 50")).scalars())


def turn(engine: Engine, number: int, state: PartitionState, cause: Cause | None = None) -> None:
    """What a worker would write."""
    values = {"state": state, "cause": cause, "state_since": utc_now()}
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(update(Partition).where(Partition.tenant_id == number).values(values))


def is_unchanged(answer: Response) -> bool:
    """Whether a live part was told that what it shows is still so."""
    return "/live/" in answer.url and answer.status == 304


def test_one_of_very_many_is_found_when_it_is_looked_for(page: Page) -> None:
    page.goto("/admin/tenant/")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.keyboard.press("/")
    for wanted in (name_of(77_777), "tenant_77777", "#77777", "t77777-g1-d1"):
        page.get_by_role("searchbox").fill(wanted)
        page.keyboard.press("Enter")
        expect(page.locator("tbody tr").first).to_contain_text(name_of(77_777))
    page.get_by_role("searchbox").fill("acme")
    page.keyboard.press("Enter")
    expect(page.locator("#cut")).to_contain_text("More than 500 tenants match.")
    expect(page.locator("tbody tr")).to_have_count(50)


def test_pages_are_turned_to_and_fro_when_there_are_very_many(page: Page) -> None:
    page.goto("/admin/tenant/")
    first = page.locator("tbody tr .name").all_inner_texts()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("link", name="Previous")).to_be_visible()
    second = page.locator("tbody tr .name").all_inner_texts()
    assert len(set(first) | set(second)) == 100
    assert max(first) < min(second)
    page.get_by_role("link", name="Previous").click()
    expect(page.locator("tbody tr .name").first).to_have_text(first[0])
    expect(page.locator(".foot")).to_contain_text("1–50 of 98,750")


def test_failures_are_told_by_cause_and_lead_to_who_failed(page: Page) -> None:
    page.goto("/admin/partitions/")
    expect(page.locator("#nav")).to_contain_text("5,000")
    family = page.locator("#family-milvus_unreachable")
    expect(family).to_contain_text("2,750")
    family.get_by_role("link", name=re.compile("2,750 tenants")).first.click()
    expect(page.locator("tbody tr")).to_have_count(50)
    expect(page.locator(".foot")).to_contain_text("1–50 of 2,750")
    page.get_by_role("searchbox").fill("müller")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr").first).to_contain_text("Müller")
    expect(page.locator("tbody .badge").first).to_have_text("failed")


def test_what_changes_is_seen_and_rows_stay_in_place_when_one_is_selected(
    page: Page, engine: Engine
) -> None:
    # So far down that the page has to be scrolled: at its top nothing could move it.
    picked, turned, gone = longest_failed(engine)[42:45]
    page.goto("/admin/partitions/?tab=all&state=failed")
    page.evaluate("window.stayed = true")
    page.locator(f"#pick-{picked}").check()
    page.locator(f"#row-{picked}").scroll_into_view_if_needed()
    before = page.evaluate("window.scrollY")
    assert before > 0
    turn(engine, turned, PartitionState.FAILED, Cause.AUTH)
    turn(engine, gone, PartitionState.READY)
    expect(page.locator("#nav")).to_contain_text("4,999", timeout=SEEN_WITHIN_MS)
    expect(page.locator("[data-held]")).to_have_text("2 changes – show")
    expect(page.locator("[data-held]")).to_be_in_viewport()
    expect(page.locator(f"#row-{gone}")).to_be_visible()
    expect(page.locator(f"#pick-{picked}")).to_be_checked()
    assert page.evaluate("window.scrollY") == before
    page.locator("[data-held]").click()
    expect(page.locator(f"#row-{gone}")).to_have_count(0)
    expect(page.locator("[data-held]")).to_be_hidden()
    expect(page.locator(f"#pick-{picked}")).to_be_checked()
    assert page.evaluate("[window.stayed, window.scrollY]") == [True, before]


def test_the_stamp_moves_on_when_nothing_has_changed(page: Page) -> None:
    # A list of one: among many that were turned within the hour, one's age changes at any time.
    page.goto("/admin/partitions/?tab=all&search=tenant_77777")
    stamp = page.locator("[data-stamp-text]")
    # The first answer brings the content once more, and moves the stamp with it.
    with page.expect_response(is_unchanged):
        pass
    before = stamp.inner_text()
    with page.expect_response(is_unchanged):
        pass
    expect(stamp).not_to_have_text(before)
    expect(stamp).to_contain_text("Updated")


def test_the_page_says_so_when_the_server_is_frozen_and_goes_on_when_it_thaws(
    page: Page, product: Product, complaints: list[str]
) -> None:
    page.goto("/admin/partitions/?tab=all")
    stamp = page.locator("[data-stamp-text]")
    with product.frozen("web"):
        expect(stamp).to_contain_text("Live updates stopped. Figures are from", timeout=15_000)
        expect(page.locator("tbody tr")).to_have_count(50)
    expect(stamp).to_contain_text("Updated", timeout=15_000)
    expect(page.locator("#live")).not_to_have_class(re.compile("stale"))
    complaints.clear()
