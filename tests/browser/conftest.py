"""One running product and one login for all browser tests."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from jobs.milvus.client import create_collection_if_missing
from playwright.sync_api import Browser, BrowserContext, Page
from pymilvus import MilvusClient

from tests.acceptance.product import Product, running_product
from tests.browser.login import launch_options, logged_in
from tests.conftest import skip_when_switched_off
from tests.engines import chromium
from tests.engines.lite import LiteServer
from tests.engines.process import wait_until
from tests.engines.proxy import Mode, Proxy

COLLECTION = "kb_chunks_v1"


class Outage(Protocol):
    """Makes a block that Milvus does not answer in."""

    def __call__(self, mode: Mode = Mode.REFUSE) -> contextlib.AbstractContextManager[None]:
        """The block."""


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The browser of the PATH where there is one, else Playwright's own."""
    skip_when_switched_off(chromium.NAME)
    return launch_options()


@pytest.fixture(scope="package")
def lite(new_directory: Callable[[str], Path]) -> Iterator[LiteServer]:
    """The product's Milvus, with its collection."""
    server = LiteServer(new_directory("lite"))
    server.start()
    create_collection_if_missing(server.uri, "", COLLECTION, 30)
    yield server
    server.stop()


@pytest.fixture(scope="package")
def network(lite: LiteServer) -> Iterator[Proxy]:
    """What lies between the product and its Milvus."""
    with Proxy(("127.0.0.1", lite.port)) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def product(new_directory: Callable[[str], Path], network: Proxy) -> Iterator[Product]:
    """The product with a single attempt, and nobody who repairs what failed meanwhile."""
    settings = {"PARTITION_ATTEMPTS": "1", "MILVUS_TIMEOUT": "2", "RECONCILE_INTERVAL": "600"}
    address = f"http://127.0.0.1:{network.port}"
    with running_product(new_directory("panel"), MILVUS_URI=address, **settings) as running:
        yield running


@pytest.fixture(scope="package")
def session_state(product: Product, browser: Browser) -> Any:
    """The cookies of a browser that has logged in through the form."""
    return logged_in(browser, product)


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What browsers complained of: errors, dialogs, refused scripts and styles. None may be left.

    A test that brings some about looks at them and takes them out.
    """
    heard: list[str] = []
    yield heard
    assert heard == []


@pytest.fixture
def visitor(
    browser: Browser, product: Product, session_state: Any, complaints: list[str]
) -> Iterator[Callable[..., Page]]:
    """Opens pages in a browser of their own, logged in unless its options say otherwise."""
    contexts: list[BrowserContext] = []

    def visit(**options: Any) -> Page:
        options = {"base_url": product.url, "storage_state": session_state} | options
        contexts.append(browser.new_context(**options))
        contexts[-1].set_default_timeout(10_000)
        # Of each page, also of those that a test opens beside the first.
        contexts[-1].on("page", lambda page: listen(page, complaints))
        return contexts[-1].new_page()

    yield visit
    for context in contexts:
        context.close()


def listen(page: Page, complaints: list[str]) -> None:
    """Note every complaint of the page's."""
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def refuse(dialog: Any) -> None:
        complaints.append(f"dialog: {dialog.message}")
        with contextlib.suppress(Exception):
            dialog.dismiss()

    page.on("dialog", refuse)


@pytest.fixture
def page(visitor: Callable[..., Page]) -> Page:
    """A page of somebody who is logged in."""
    return visitor()


@pytest.fixture
def context(page: Page) -> BrowserContext:
    """The browser that the page is in."""
    return page.context


@pytest.fixture
def milvus_without(product: Product, network: Proxy) -> Outage:
    """Milvus refuses every connection, or hangs, while the block runs; then it answers again."""

    @contextlib.contextmanager
    def outage(mode: Mode = Mode.REFUSE) -> Iterator[None]:
        network.switch(mode)
        try:
            yield
        finally:
            network.switch(Mode.PASS)
            await_service(product)

    return outage


def await_service(product: Product) -> None:
    """Wait until a tenant is provisioned; that closes the circuit and ends its count."""
    number = product.create("Well")["id"]

    def is_ready() -> bool:
        status = product.tenant(number)["partition"]["status"]
        if status == "failed":
            product.api("POST", f"/api/tenants/{number}/retry")
        return bool(status == "ready")

    wait_until(is_ready, 60, "Milvus to serve the product again")


@pytest.fixture
def failed(product: Product, milvus_without: Outage) -> Callable[..., list[int]]:
    """Makes at most two tenants whose only attempt fails, because Milvus cannot be reached.

    A third failure in a row would open the circuit, and then nobody is asked for a while.
    """

    def make(*names: str) -> list[int]:
        assert len(names) <= 2
        with milvus_without():
            numbers = [product.create(name)["id"] for name in names]
            for number in numbers:
                product.await_state(number, "failed")
        return numbers

    return make


@pytest.fixture(scope="package")
def milvus(lite: LiteServer) -> Iterator[MilvusClient]:
    """A client of the tests' own on the product's Milvus."""
    client = MilvusClient(lite.uri)
    yield client
    client.close()
