"""The overview in a real browser: it moves by itself, and turns red when an engine stops."""

import re

from playwright.sync_api import Page, expect

from tests.acceptance.product import Product
from tests.browser.running.conftest import Outage

SOON_MS = 15_000


def number_in(page: Page, selector: str) -> int:
    return int(re.sub(r"\D", "", page.locator(selector).inner_text()))


def test_sign_ups_appear_in_tiles_and_charts_without_a_reload(page: Page, product: Product) -> None:
    first = product.create("Overview one")["id"]
    product.await_state(first, "ready")
    page.goto("/admin/?span=1h")
    page.evaluate("window.stayed = true")
    before = number_in(page, "#tiles a:has-text('Ready') .value")
    sentence = page.locator("#chart-signups figcaption p")
    counted = sentence.inner_text()
    for name in ("Overview two", "Overview three"):
        product.await_state(product.create(name)["id"], "ready")
    ready = page.locator("#tiles a:has-text('Ready') .value")
    expect(ready).to_have_text(str(before + 2), timeout=SOON_MS)
    expect(page.locator("#latest")).to_contain_text("Overview three")
    expect(page.locator("#chart-signups .picture .bar").last).to_be_visible(timeout=SOON_MS)
    expect(page.locator("#chart-signups")).to_contain_text("Became ready:")
    # A bar stands there for the first one already; the sentence counts those that came after it.
    expect(sentence).not_to_have_text(counted, timeout=SOON_MS)
    expect(page.locator("#chart-durations .picture")).to_be_visible()
    assert page.evaluate("window.stayed")


def test_health_is_green_and_room_is_known_while_everything_works(page: Page) -> None:
    page.goto("/admin/")
    room = page.locator("#headroom")
    expect(room).to_contain_text("places left", timeout=SOON_MS)
    expect(room).to_contain_text("that takes a day of history")
    for part in ("database", "redis", "workers", "reconciler", "milvus"):
        sign = page.locator(f"#sign-{part}")
        expect(sign).to_have_attribute("data-role", "success", timeout=SOON_MS)
    expect(page.locator("#sign-reconciler time")).to_contain_text("ago")


def test_health_turns_red_when_redis_stops_and_green_when_it_is_back(
    page: Page, product: Product
) -> None:
    page.goto("/admin/")
    redis = page.locator("#sign-redis")
    expect(redis).to_have_attribute("data-role", "success")
    with product.frozen("redis"):
        expect(redis).to_have_attribute("data-role", "danger", timeout=30_000)
        # Not the verdict, which tells first of whoever another story left failed.
        expect(page.locator("#condition-redis_down")).to_contain_text("Redis does not answer")
    expect(redis).to_have_attribute("data-role", "success", timeout=30_000)
    expect(page.locator("#condition-redis_down")).to_have_count(0)


def test_health_turns_red_when_milvus_stops_and_green_when_it_is_back(
    page: Page, product: Product, milvus_without: Outage
) -> None:
    page.goto("/admin/")
    milvus = page.locator("#sign-milvus")
    with milvus_without():
        numbers = [product.create(f"Night {n}")["id"] for n in range(3)]
        for number in numbers:
            product.await_state(number, "failed")
        expect(milvus).to_have_attribute("data-role", "danger", timeout=SOON_MS)
        expect(page.locator("#verdict")).to_contain_text("Milvus does not answer")
        expect(page.locator("#condition-milvus_down")).to_be_visible()
        expect(page.locator("#chart-signups .bar.failed").last).to_be_visible(timeout=SOON_MS)

    expect(milvus).to_have_attribute("data-role", "success", timeout=SOON_MS)
    expect(page.locator("#condition-milvus_down")).to_have_count(0)
    for number in numbers:
        product.api("POST", f"/api/tenants/{number}/retry")
        product.await_state(number, "ready")
