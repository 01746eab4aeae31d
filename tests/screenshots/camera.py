"""A browser that is logged in, and takes a picture of a page in each size and theme."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.acceptance.product import Product
from tests.browser.login import launch_options, logged_in

SIZES = {"wide": (1280, 860), "narrow": (380, 800)}
THEMES = ("light", "dark")


# Chromium makes no picture of a page that is much taller, such as the runbook in a narrow window.
TALLEST = 15_000


@dataclass
class Camera:
    """Takes pictures of one product's pages, and puts them into a folder."""

    browser: Browser
    product: Product
    folder: Path
    state: Any

    def take(self, scene: str, name: str, address: str, click: str | None = None) -> None:
        """The page in each size and theme; `click` opens what is to be seen on it first."""
        for size, (width, height) in SIZES.items():
            for theme in THEMES:
                with self._page(width, height, theme) as page:
                    page.goto(address)
                    page.wait_for_load_state("networkidle")
                    if click:
                        page.locator(click).first.click()
                        page.get_by_role("dialog").wait_for()
                    target = self.folder / f"{scene}-{name}-{size}-{theme}.png"
                    is_whole = not click and _height(page) < TALLEST
                    page.screenshot(path=target, full_page=is_whole, animations="disabled")

    @contextmanager
    def _page(self, width: int, height: int, theme: Any) -> Iterator[Page]:
        context = self.browser.new_context(
            base_url=self.product.url,
            storage_state=self.state,
            viewport={"width": width, "height": height},
            color_scheme=theme,
            locale="en-GB",
            timezone_id="Europe/Rome",
        )
        yield context.new_page()
        context.close()


@contextmanager
def camera(product: Product, folder: Path) -> Iterator[Camera]:
    """A camera for the product, logged in as its first admin."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        yield Camera(browser, product, folder, logged_in(product))
        browser.close()


def _height(page: Page) -> int:
    height: int = page.evaluate("document.documentElement.scrollHeight")
    return height
