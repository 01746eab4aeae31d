"""One panel, one browser and one login for the stories that need no worker."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.login import Site, launch_options, logged_in
from tests.browser.panel import Panel, serving
from tests.conftest import skip_when_switched_off
from tests.engines import chromium
from tests.engines.redis import RedisServer


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The browser of the PATH where there is one, else Playwright's own."""
    skip_when_switched_off(chromium.NAME)
    return launch_options()


@pytest.fixture(scope="session")
def panel(new_directory: Callable[[str], Path], redis_server: RedisServer) -> Iterator[Panel]:
    """The panel that most stories share: each makes tenants of its own names."""
    with serving(new_directory("panel"), redis_server.new_database()) as served:
        yield served


@pytest.fixture
def site(panel: Panel) -> Site:
    """What a story looks at: here the panel, in `running` a whole product."""
    return panel


@pytest.fixture(scope="session")
def logins() -> dict[str, Any]:
    """The sessions of the first admin, by the site's address."""
    return {}


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
    browser: Browser, site: Site, logins: dict[str, Any], complaints: list[str]
) -> Iterator[Callable[..., Page]]:
    """Opens pages in a browser of their own, logged in unless its options say otherwise."""
    contexts: list[BrowserContext] = []
    if site.url not in logins:
        logins[site.url] = logged_in(site)

    def visit(**options: Any) -> Page:
        options = {"base_url": site.url, "storage_state": logins[site.url]} | options
        contexts.append(browser.new_context(**options))
        contexts[-1].set_default_timeout(10_000)
        # Of each page, also of those that a test opens beside the first.
        contexts[-1].on("page", lambda page: listen(page, complaints))
        return contexts[-1].new_page()

    yield visit
    for context in contexts:
        context.close()


def listen(page: Page, complaints: list[str]) -> None:
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def refuse(dialog: Any) -> None:
        complaints.append(f"dialog: {dialog.message}")
        with contextlib.suppress(Exception):
            dialog.dismiss()

    page.on("dialog", refuse)


@pytest.fixture
def page(visitor: Callable[..., Page]) -> Page:
    return visitor()


@pytest.fixture
def context(page: Page) -> BrowserContext:
    return page.context
