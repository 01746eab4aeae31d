"""The panel in a real browser, on the whole running product."""

import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Page, expect
from pymilvus import MilvusClient
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from tests.acceptance.product import Product
from tests.browser.keys import press

COLLECTION = "kb_chunks_v1"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def plant(product: Product) -> None:
    """A job whose description is hostile, in a queue that nobody works."""
    connection = Redis.from_url(f"unix://{product.var_dir}/redis.sock")
    queue = Queue("planted", connection=connection, serializer=JSONSerializer)
    queue.enqueue_call("jobs.nothing", job_id="planted", description=HOSTILE)
    connection.close()


def test_login_leads_back_to_the_page_when_one_was_asked_for(
    visitor: Callable[..., Page], product: Product
) -> None:
    # Somebody else than the other tests are: logging out ends all sessions of a user.
    words = ("--email", "viewer@example.com", "--role", "viewer", "--password", product.password)
    product.flask("users", "create", *words)
    page = visitor(storage_state=None)
    page.goto("/admin/partitions/")
    page.get_by_label("E-mail address").fill("viewer@example.com")
    page.get_by_label("Password").fill(product.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/partitions/")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto("/admin/")
    page.wait_for_url("**/login**")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_new_tenant_turns_ready_without_a_reload_when_made_by_the_form(page: Page) -> None:
    page.goto("/admin/tenant/")
    page.get_by_role("link", name="Add a tenant").first.click()
    page.get_by_label("Name", exact=True).fill("Acme S.p.A.")
    page.get_by_role("button", name="Add tenant").click()
    page.wait_for_url("**/admin/tenant/details/**")
    page.evaluate("window.stayed = true")
    number = re.findall(r"id=(\d+)", page.url)[0]
    expect(page.locator("#partition")).to_have_text(f"tenant_{number}")
    expect(page.locator("#collection")).to_have_text("kb_chunks_v1")
    expect(page.locator("#badge")).to_have_text("ready")
    expect(page.locator("#timeline")).to_contain_text("Partition created")
    assert page.evaluate("window.stayed")


def test_a_failed_tenant_becomes_ready_when_its_retry_button_is_pressed(
    page: Page, failed: Callable[..., list[int]]
) -> None:
    (number,) = failed("Alone")
    page.goto(f"/admin/tenant/details/?id={number}")
    expect(page.locator("#badge")).to_have_text("failed")
    expect(page.locator("#cause")).to_contain_text("Will a retry help?")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#badge")).to_have_text("ready")
    expect(page.locator("#cause")).to_have_count(0)


def test_the_selected_become_ready_when_they_are_retried(
    page: Page, failed: Callable[..., list[int]]
) -> None:
    one, other = failed("Pick one", "Pick none")
    page.goto("/admin/partitions/?search=Pick")
    page.locator(f"#pick-{one}").check()
    page.locator("#bulk-retry").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 will be queued. Nothing has changed yet.")
    dialog.get_by_role("button", name="Queue 1 retry").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Retry of 1 tenant")
    page.goto("/admin/partitions/?search=Pick")
    expect(page.locator(f"#row-{one} .badge")).to_have_text("ready")
    expect(page.locator(f"#row-{other} .badge")).to_have_text("failed")


def test_all_of_a_cause_become_ready_when_the_cause_is_retried(
    page: Page, product: Product, failed: Callable[..., list[int]]
) -> None:
    (number,) = failed("One of a cause")
    cause = product.tenant(number)["partition"]["cause"]
    page.goto("/admin/partitions/?tab=causes")
    page.locator(f"#family-{cause} a[data-dialog]").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Queue")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Retry of")
    product.await_state(number, "ready")


def test_selection_focus_and_question_stay_when_the_page_refreshes_itself(
    page: Page, failed: Callable[..., list[int]]
) -> None:
    (number,) = failed("Stay")
    page.goto("/admin/partitions/?state=failed")
    page.locator(f"#pick-{number}").check()
    page.locator(f"#retry-{number} button").focus()
    page.evaluate("window.scrollTo(0, 40)")
    for _ in range(2):
        with page.expect_response("**/admin/partitions/live/**"):
            pass
    expect(page.locator(f"#pick-{number}")).to_be_checked()
    expect(page.locator(f"#retry-{number} button")).to_be_focused()
    expect(page.locator("#picked")).to_have_text("1 selected")
    page.locator("#bulk-retry").click()
    with page.expect_response("**/admin/partitions/live/**"):
        pass
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("dialog").get_by_role("link", name="Not now").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(f"#pick-{number}")).to_be_checked()


def test_the_stamp_says_so_when_updates_stop(page: Page, complaints: list[str]) -> None:
    page.goto("/admin/partitions/")
    page.route("**/live/**", lambda route: route.fulfill(status=503, body="down"))
    stamp = page.locator("[data-stamp-text]")
    expect(stamp).to_contain_text("Live updates stopped. Figures are from", timeout=15_000)
    expect(page.locator("#live")).to_have_class(re.compile("stale"))
    page.unroute("**/live/**")
    expect(stamp).to_contain_text("every 2 s")
    # Chromium itself notes each answer of 503.
    assert all("503" in complaint for complaint in complaints)
    complaints.clear()


def test_nothing_is_asked_when_the_page_is_paused(page: Page) -> None:
    page.goto("/admin/partitions/")
    page.get_by_role("button", name="Freeze view").click()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2_500)
    assert asked == []
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("[data-stamp-text]")).to_contain_text("Updated")


def test_the_tenant_stays_when_its_deletion_is_dismissed(page: Page, product: Product) -> None:
    number = product.create("Keep me")["id"]
    page.goto(f"/admin/tenant/details/?id={number}")
    page.get_by_role("link", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete Keep me?")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert product.tenant(number)["status"] == "active"


def test_a_deleted_tenant_is_kept_when_called_back_in_time(page: Page, product: Product) -> None:
    number = product.create("Come back")["id"]
    page.goto(f"/admin/tenant/details/?id={number}")
    page.get_by_role("link", name="Delete").click()
    name = page.get_by_label("Type Come back to go on")
    name.fill("Come")
    page.get_by_role("button", name="Delete tenant").click()
    assert page.evaluate("document.querySelector('#typed').validity.customError")
    name.fill("Come back")
    page.get_by_role("button", name="Delete tenant").click()
    expect(page.locator("#notices")).to_contain_text("Come back was deleted.")
    page.goto("/admin/tenant/")
    page.get_by_role("link", name=re.compile("^Removing")).click()
    page.get_by_role("link", name="Come back", exact=True).click()
    expect(page.locator("#leaving")).to_contain_text("Its partition is dropped in 6 d 23 h")
    page.get_by_role("button", name="Keep tenant").click()
    expect(page.locator("#notices")).to_contain_text("Come back stays.")
    expect(page.locator("#badge")).to_have_text("ready")
    assert product.tenant(number)["status"] == "active"


def test_rows_that_were_there_before_are_the_tenants_when_adopted(
    page: Page, product: Product, milvus: MilvusClient
) -> None:
    number = product.create("Before")["id"] + 1
    milvus.create_partition(COLLECTION, f"tenant_{number}")
    rows = [{"text": "old", "vector": [0.1] * 1536}] * 5
    milvus.insert(COLLECTION, rows, partition_name=f"tenant_{number}")
    assert product.create("Foreign")["id"] == number
    page.goto(f"/admin/tenant/details/?id={number}")
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


def test_the_question_is_a_page_when_there_is_no_script(
    visitor: Callable[..., Page], product: Product
) -> None:
    number = product.create("No script")["id"]
    page = visitor(java_script_enabled=False)
    page.goto(f"/admin/tenant/details/?id={number}")
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_role("heading", name="Delete No script?")).to_be_visible()
    page.get_by_role("link", name="Keep it").click()
    page.wait_for_url(f"**/admin/tenant/details/?id={number}")
    assert product.tenant(number)["status"] == "active"


def test_a_hostile_name_stays_text_when_shown_anywhere(page: Page, product: Product) -> None:
    page.goto("/admin/tenant/new/")
    page.get_by_label("Name", exact=True).fill(HOSTILE)
    page.get_by_role("button", name="Add tenant").click()
    expect(page.locator("#notices")).to_contain_text(HOSTILE)
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    for address in ("/admin/", "/admin/tenant/", "/admin/partitions/?tab=all"):
        page.goto(address)
        expect(page.get_by_text(HOSTILE).first).to_be_visible()


def test_a_hostile_description_stays_text_when_rq_dashboard_shows_it(
    page: Page, product: Product
) -> None:
    plant(product)
    page.goto("/rq/0/view/job/planted")
    expect(page.locator("#job-data")).to_contain_text(HOSTILE)
    page.goto("/rq/0/view/jobs/planted/queued/8/asc/1")
    expect(page.locator("#jobs")).to_contain_text(HOSTILE)


def test_the_theme_is_kept_when_one_was_chosen(page: Page) -> None:
    page.goto("/admin/")
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    page.goto("/admin/tenant/")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(20, 24, 29)"


class NotOurs(BaseHTTPRequestHandler):
    """A page of somebody else's."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<link rel=icon href=data:,><p>not ours</p>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a page on another port of the product's host."""
    with HTTPServer(("127.0.0.1", 0), NotOurs) as server:
        serving = Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()


def test_nothing_happens_when_a_page_of_another_port_sends_what_needs_no_token(
    page: Page, product: Product, elsewhere: str
) -> None:
    number = product.create("Stays")["id"]
    page.goto(elsewhere)
    target = f"{product.url}/admin/tenant/delete/?id={number}"
    for method in ("HEAD", "GET"):
        options = f"{{method: '{method}', mode: 'no-cors', credentials: 'include'}}"
        with page.expect_response(target) as answer:
            page.evaluate(f"fetch('{target}', {options})")
        # The session's cookie was sent: the question came, and no login.
        assert answer.value.status == 200
    assert product.api("GET", f"/api/tenants/{number}").json()["status"] == "active"


def test_the_way_back_leads_to_the_list_as_it_was_when_a_tenant_was_looked_at(
    page: Page, product: Product
) -> None:
    product.create("Found by its name")
    page.goto("/admin/tenant/?search=Found+by")
    page.get_by_role("link", name="Found by its name").first.click()
    page.get_by_role("link", name="Rename").click()
    page.get_by_label("Name", exact=True).press("Enter")
    page.get_by_text("The change was saved.").wait_for()
    page.locator("a.crumb").click()
    page.wait_for_url("**/admin/tenant/?search=Found+by")


SHIFTED = """new Promise((resolve) => {
    const moved = [];
    new PerformanceObserver((list) => {
        for (const { value, sources } of list.getEntries()) {
            const what = sources.map(({ node }) => node?.id || node?.className || node?.nodeName);
            if (value > 0.05) moved.push(`${what}: ${value}`);
        }
    }).observe({ type: "layout-shift", buffered: true });
    requestAnimationFrame(() => setTimeout(() => resolve(moved), 0));
})"""


@pytest.mark.parametrize("address", ["/admin/tenant/", "/admin/partitions/?tab=all"])
def test_nothing_moves_when_a_list_has_come_to_a_narrow_window(
    visitor: Callable[..., Page], product: Product, address: str
) -> None:
    product.create("Stays in its place")
    page = visitor(viewport={"width": 390, "height": 800})
    page.goto(address)
    page.get_by_role("button", name="Freeze view").wait_for()
    assert page.evaluate(SHIFTED) == []
