"""How a browser is started, and gets past the login."""

from typing import Any

from playwright.sync_api import Browser

from tests.acceptance.product import Product
from tests.engines import chromium

EMAIL = "admin@example.com"
# None of what a browser does beside showing pages: it would only cost, and look for the network.
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions"),
)


def launch_options() -> dict[str, Any]:
    """The browser of the PATH where there is one, else Playwright's own."""
    found = chromium.program()
    options: dict[str, Any] = {"args": list(QUIET)}
    return options | ({"executable_path": found} if found else {})


def logged_in(browser: Browser, product: Product) -> Any:
    """The cookies of a browser that has logged in through the form, as the first admin."""
    context = browser.new_context(base_url=product.url)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(product.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")
    state = context.storage_state()
    context.close()
    return state
