"""One running product and one login for all browser tests."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from pymilvus import MilvusClient

from tests.acceptance.product import Product, running_product
from tests.browser.login import launch_options, logged_in


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The browser of the PATH where there is one, else Playwright's own."""
    return launch_options()


@pytest.fixture(scope="session")
def product(new_directory: Callable[[str], Path]) -> Iterator[Product]:
    """The product with a single quick attempt, and nobody who repairs what failed meanwhile."""
    quick = {"PARTITION_ATTEMPTS": "1", "MILVUS_TIMEOUT": "1", "RECONCILE_INTERVAL": "600"}
    with running_product(new_directory("panel"), **quick) as running:
        yield running


@pytest.fixture(scope="session")
def session_state(product: Product, browser: Browser) -> Any:
    """The cookies of a browser that has logged in through the form."""
    return logged_in(browser, product)


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: errors, dialogs, refused scripts and styles."""
    return []


@pytest.fixture
def context(
    browser: Browser, product: Product, session_state: Any, complaints: list[str]
) -> Iterator[BrowserContext]:
    """A logged-in browser; the test fails when the console shows an error."""
    context = browser.new_context(base_url=product.url, storage_state=session_state)
    context.set_default_timeout(10_000)
    yield context
    context.close()
    assert complaints == []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Page:
    """A page that notes every complaint."""
    page = context.new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def refuse(dialog: Any) -> None:
        complaints.append(f"dialog: {dialog.message}")
        with contextlib.suppress(Exception):
            dialog.dismiss()

    page.on("dialog", refuse)
    return page


@pytest.fixture
def failed(product: Product) -> Callable[..., list[int]]:
    """Makes tenants whose only attempt fails, because Milvus does not answer."""

    def make(*names: str) -> list[int]:
        with product.frozen("milvus"):
            numbers = [product.create(name)["id"] for name in names]
            for number in numbers:
                product.await_state(number, "failed")
        return numbers

    return make


@pytest.fixture(scope="session")
def milvus(product: Product) -> Iterator[MilvusClient]:
    """A client of the tests' own on the product's Milvus."""
    client = MilvusClient(product.config()["MILVUS_URI"])
    yield client
    client.close()
