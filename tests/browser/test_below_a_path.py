"""The panel in a real browser, below a path of a host that serves other things too."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.access import PASSWORD, add_user, close, migrated_app, settings_in
from tests.browser.conftest import listen
from tests.conftest import skip_when_switched_off
from tests.engines import nginx
from tests.engines.redis import RedisServer
from tests.engines.web import WebServer
from webapp.auth.roles import Role

EMAIL = "admin@example.test"
PREFIX = "/paratia"
PARTS = (
    *("/admin/", "/admin/tenant/", "/admin/partitions/?tab=all", "/admin/partitions/?tab=drift"),
    *("/admin/partitions/?tab=queues", "/admin/operations/", "/admin/audit/", "/admin/import/"),
)


@pytest.fixture(scope="module")
def host(new_directory: Callable[[str], Path], redis_server: RedisServer) -> Iterator[str]:
    """The address of the host, whose nginx has the README's location."""
    for engine in (nginx.NAME, "redis"):
        skip_when_switched_off(engine)
    settings = settings_in(new_directory("below"), redis_url=redis_server.new_database())
    app = migrated_app(settings)
    add_user(app, Role.ADMIN, EMAIL)
    close(app)
    web = WebServer(settings.var_dir, settings, TRUSTED_PROXIES="1")
    web.start()
    proxy = nginx.Nginx(new_directory("nginx"), nginx.readme_blocks()[2], web.port)
    proxy.start()
    yield proxy.address
    proxy.stop()
    web.kill()


@pytest.fixture
def asked(host: str, browser: Browser, complaints: list[str]) -> Iterator[tuple[Page, list[str]]]:
    """A page of an admin who has logged in by the form, and all addresses that it asked for."""
    context = browser.new_context(base_url=host)
    context.set_default_timeout(10_000)
    page = context.new_page()
    listen(page, complaints)
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(f"{PREFIX}/")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"**{PREFIX}/admin/")
    yield page, addresses
    context.close()


def test_a_walk_through_the_panel_never_leaves_the_path(
    host: str, asked: tuple[Page, list[str]]
) -> None:
    page, addresses = asked
    for part in PARTS:
        page.goto(PREFIX + part)
        expect(page.locator("main h1").first).to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).margin") == "0px"
    page.goto(f"{PREFIX}/admin/")
    with page.expect_request("**/live/**"):
        pass
    page.get_by_role("button", name="Italiano").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "it")
    page.get_by_role("button", name="English").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto(f"{PREFIX}/rq/")
    expect(page.get_by_role("link", name="Back to Paratia")).to_be_visible()
    with page.expect_response("**/api/openapi.json"):
        page.goto(f"{PREFIX}/api/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    assert [one for one in addresses if not one.startswith((f"{host}{PREFIX}/", "data:"))] == []


def test_a_tenant_is_added_in_a_dialog_below_the_path(asked: tuple[Page, Any]) -> None:
    page, _ = asked
    page.goto(f"{PREFIX}/admin/tenant/")
    page.get_by_role("link", name="Add a tenant").first.click()
    page.get_by_label("Name").fill("Below")
    page.get_by_role("button", name="Add tenant").click()
    page.wait_for_url(f"**{PREFIX}/admin/tenant/details/**")
    expect(page.get_by_role("heading", name="Below")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url(f"**{PREFIX}/admin/tenant/")
