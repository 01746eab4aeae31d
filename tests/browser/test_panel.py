"""The panel in a real browser: dialogs, live parts, the way back, and text that stays text."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Page, expect
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.utils import utcformat

from tests.access import add_user
from tests.browser.keys import press
from tests.browser.panel import Panel
from webapp.auth.roles import Role
from webapp.db.types import utc_now
from webapp.models.causes import Cause

TAB = "/admin/partitions/?tab=queues"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"`;alert(3)//"


def test_login_leads_back_to_the_page_when_one_was_asked_for(
    visitor: Callable[..., Page], panel: Panel
) -> None:
    # Somebody else than the other tests are: logging out ends all sessions of a user.
    email = add_user(panel.app, Role.VIEWER)
    page = visitor(storage_state=None)
    page.goto("/admin/partitions/")
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.keyboard.type(email)
    page.keyboard.press("Tab")
    page.keyboard.type(panel.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/partitions/")
    press(page, page.get_by_role("button", name="Log out"))
    page.wait_for_url("**/login")
    page.goto("/admin/")
    page.wait_for_url("**/login**")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_only_the_selected_is_retried_when_there_is_no_script(
    visitor: Callable[..., Page], panel: Panel
) -> None:
    one, other = panel.failed("Scriptless one", "Scriptless two")
    page = visitor(java_script_enabled=False)
    page.goto("/admin/partitions/?search=Scriptless")
    page.locator(f"#pick-{one}").check()
    page.locator("#bulk-retry").click()
    page.get_by_role("button", name="Queue 1 retry").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Retry of 1 tenant")
    assert (panel.state(one), panel.state(other)) == ("pending", "failed")


def test_a_question_is_a_page_when_there_is_no_script(
    visitor: Callable[..., Page], panel: Panel
) -> None:
    number = panel.ready("No script")
    page = visitor(java_script_enabled=False)
    page.goto(f"/admin/tenant/details/?id={number}")
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_role("heading", name="Delete No script?")).to_be_visible()
    page.get_by_role("link", name="Keep it").click()
    page.wait_for_url(f"**/admin/tenant/details/?id={number}")
    assert panel.state(number) == "ready"


def test_the_selected_is_retried_with_keys_alone(page: Page, panel: Panel) -> None:
    (number,) = panel.failed("By keys")
    page.goto("/admin/partitions/?search=By+keys")
    press(page, page.locator("#pick-all"), "Space")
    press(page, page.locator("#bulk-retry"))
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 will be queued. Nothing has changed yet.")
    press(page, dialog.get_by_role("button", name="Queue 1 retry"))
    page.wait_for_url("**/admin/operations/show/**")
    assert panel.state(number) == "pending"


def test_hopeless_causes_are_not_ticked_when_all_that_failed_are_retried(
    page: Page, panel: Panel
) -> None:
    (hopeful,) = panel.failed("Mixed", cause=Cause.RATE_LIMITED)
    (hopeless,) = panel.failed("Mixed foreign", cause=Cause.FOREIGN_DATA)
    page.goto("/admin/partitions/?tab=causes")
    page.get_by_role("link", name=re.compile("^Retry all")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("checkbox", name=re.compile("Foreign data"))).not_to_be_checked()
    dialog.get_by_role("button", name="Queue the retries").click()
    page.wait_for_url("**/admin/operations/**")
    assert (panel.state(hopeful), panel.state(hopeless)) == ("pending", "failed")


def test_selection_focus_and_question_stay_when_the_page_refreshes_itself(
    page: Page, panel: Panel
) -> None:
    number, other = panel.failed("Stay", "Stay unselected")
    page.goto("/admin/partitions/?state=failed&search=Stay")
    expect(page.locator("#bulk-delete")).to_be_disabled()
    page.locator(f"#pick-{number}").check()
    page.locator(f"#retry-{number} button").focus()
    for _ in range(2):
        with page.expect_response("**/admin/partitions/live/**"):
            pass
    expect(page.locator(f"#pick-{number}")).to_be_checked()
    expect(page.locator(f"#pick-{other}")).not_to_be_checked()
    expect(page.locator(f"#retry-{number} button")).to_be_focused()
    expect(page.locator("#picked")).to_have_text("1 selected")
    page.locator("#bulk-retry").click()
    with page.expect_response("**/admin/partitions/live/**"):
        pass
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("dialog").get_by_role("link", name="Not now").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(f"#pick-{number}")).to_be_checked()
    page.locator(f"#pick-{number}").uncheck()
    expect(page.locator("#bulk-delete")).to_be_disabled()


@pytest.mark.parametrize("answers", [True, False], ids=["refuses", "hangs"])
def test_the_stamp_says_so_when_updates_stop(
    page: Page, complaints: list[str], answers: bool
) -> None:
    page.goto("/admin/partitions/")
    page.route("**/live/**", lambda route: route.fulfill(status=503) if answers else None)
    stamp = page.locator("[data-stamp-text]")
    expect(stamp).to_contain_text("Live updates stopped. Figures are from", timeout=15_000)
    expect(page.locator("#live")).to_have_class(re.compile("stale"))
    page.unroute("**/live/**")
    expect(stamp).to_contain_text("every 2 s", timeout=15_000)
    expect(page.locator("#live")).not_to_have_class(re.compile("stale"))
    # Chromium itself notes each answer of 503, and htmx what it did not wait for any longer.
    assert all("503" in complaint or "timeout" in complaint for complaint in complaints)
    complaints.clear()


def test_nothing_is_asked_when_the_page_is_paused_by_key(page: Page) -> None:
    page.goto("/admin/partitions/")
    press(page, page.get_by_role("button", name="Freeze view"))
    expect(page.locator("[data-stamp-text]")).to_contain_text("Frozen. Figures are from")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2_500)
    assert asked == []
    page.keyboard.press("Enter")
    expect(page.locator("[data-stamp-text]")).to_contain_text("every 2 s")


def test_a_deletion_is_typed_dismissed_and_undone(page: Page, panel: Panel) -> None:
    number = panel.ready("Come back")
    page.goto(f"/admin/tenant/details/?id={number}")
    press(page, page.get_by_role("link", name="Delete"))
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete Come back?")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert panel.state(number) == "ready"
    press(page, page.get_by_role("link", name="Delete"))
    expect(page.get_by_label("Type Come back to go on")).to_be_focused()
    page.keyboard.type("Come")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('#typed').validity.customError")
    page.keyboard.type(" back")
    page.keyboard.press("Enter")
    notices = page.locator("#notices")
    expect(notices).to_contain_text("Come back was deleted. You can still keep it.")
    expect(notices.get_by_role("button", name="Undo")).to_be_visible()
    page.goto("/admin/tenant/")
    page.get_by_role("link", name=re.compile("^Removing")).click()
    page.get_by_role("link", name="Come back", exact=True).click()
    expect(page.locator("#leaving")).to_contain_text("Its partition is dropped in 6 d 23 h")
    press(page, page.get_by_role("button", name="Keep tenant"))
    expect(notices).to_contain_text("Come back stays.")
    expect(page.locator("#badge")).to_have_text("pending")
    expect(page.locator("#wanted")).to_contain_text("called back, by admin@example.com")
    assert panel.state(number) == "pending"


def test_a_hostile_name_stays_text_when_shown_anywhere(page: Page, panel: Panel) -> None:
    page.goto("/admin/tenant/new/")
    page.get_by_label("Name", exact=True).fill(HOSTILE)
    page.get_by_role("button", name="Add tenant").click()
    expect(page.locator("#notices")).to_contain_text(HOSTILE)
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    for address in ("/admin/", "/admin/tenant/", "/admin/partitions/?tab=all"):
        page.goto(address)
        expect(page.get_by_text(HOSTILE).first).to_be_visible()


class NotOurs(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<link rel=icon href=data:,><p>not ours</p>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a page on another port of the panel's host."""
    with HTTPServer(("127.0.0.1", 0), NotOurs) as server:
        serving = Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()


def test_nothing_happens_when_a_page_of_another_port_sends_what_needs_no_token(
    page: Page, panel: Panel, elsewhere: str
) -> None:
    number = panel.ready("Stays")
    page.goto(elsewhere)
    target = f"{panel.url}/admin/tenant/delete/?id={number}"
    for method in ("HEAD", "GET"):
        options = f"{{method: '{method}', mode: 'no-cors', credentials: 'include'}}"
        with page.expect_response(target) as answer:
            page.evaluate(f"fetch('{target}', {options})")
        # The session's cookie was sent: the question came, and no login.
        assert answer.value.status == 200
    assert panel.state(number) == "ready"


def test_the_way_back_leads_to_the_list_as_it_was_when_a_tenant_was_looked_at(
    page: Page, panel: Panel
) -> None:
    panel.create("Found by its name")
    page.goto("/admin/tenant/?search=Found+by")
    page.get_by_role("link", name="Found by its name").first.click()
    page.get_by_role("link", name="Rename").click()
    page.get_by_label("Name", exact=True).press("Enter")
    page.get_by_text("The change was saved.").wait_for()
    page.locator("a.crumb").click()
    expect(page).to_have_url(f"{panel.url}/admin/tenant/?search=Found+by")


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
    visitor: Callable[..., Page], panel: Panel, address: str
) -> None:
    panel.create("Stays in its place")
    page = visitor(viewport={"width": 390, "height": 800})
    page.goto(address)
    page.get_by_role("button", name="Freeze view").wait_for()
    assert page.evaluate(SHIFTED) == []


@contextmanager
def redis_of(panel: Panel) -> Iterator[Redis]:
    connection = Redis.from_url(panel.rows.settings.redis_address)
    yield connection
    connection.close()


def test_what_to_start_is_told_when_no_worker_runs(page: Page) -> None:
    page.goto(TAB)
    expect(page.locator("#start-one")).to_contain_text("flask worker")


@contextmanager
def planted(panel: Panel) -> Iterator[str]:
    """A failed job, a queue and a worker whose every name and text is hostile."""
    with redis_of(panel) as connection:
        queue = Queue("planted", connection=connection, serializer=JSONSerializer)
        job = queue.create_job(
            f"jobs.{HOSTILE}",
            args=[HOSTILE],
            kwargs={HOSTILE: HOSTILE},
            job_id="hostile",
            description=HOSTILE,
            meta={HOSTILE: HOSTILE},
        )
        queue.enqueue_job(job)
        queue.remove(job)
        connection.hset(Job.key_for("hostile"), mapping={"status": "failed"})
        Result.create_failure(job, 60, HOSTILE)
        connection.zadd(FailedJobRegistry(queue=queue).key, {"hostile": 9_999_999_999})
        connection.sadd("rq:queues", f"rq:queue:{HOSTILE}")
        worker, heard = f"rq:worker:{HOSTILE}", utcformat(utc_now())
        told_of_worker: dict[str | bytes | int | float, str | bytes | int | float] = {
            **{"state": HOSTILE, "queues": HOSTILE, "current_job": "hostile"},
            **{"birth": heard, "last_heartbeat": heard, "version": HOSTILE},
            **{"python_version": HOSTILE, "hostname": HOSTILE, "application": "paratia"},
        }
        connection.hset(worker, mapping=told_of_worker)
        connection.sadd("rq:workers", worker)
        try:
            yield "hostile"
        finally:
            connection.srem("rq:workers", worker)
            connection.srem("rq:queues", f"rq:queue:{HOSTILE}", "rq:queue:planted")
            connection.delete(worker, Job.key_for("hostile"), FailedJobRegistry(queue=queue).key)


def test_everything_stays_text_when_what_is_in_redis_is_hostile(page: Page, panel: Panel) -> None:
    with planted(panel) as job:
        for address, place in (
            (f"/rq/0/view/job/{job}", "#job-data"),
            ("/rq/0/view/jobs/planted/failed/8/asc/1", "#jobs"),
            ("/rq/0/view/workers", "#workers"),
            ("/rq/0/view/queues", "#queues"),
        ):
            page.goto(address)
            expect(page.locator(place)).to_contain_text(HOSTILE[:30])
            assert page.locator("img[src=x]").count() == 0, address
        page.goto("/rq/0/view/jobs/planted/failed/8/asc/1")
        expect(page.locator("#select-queue")).to_have_value("planted")
        expect(page.locator("pre.exc_info")).to_contain_text(re.compile("alert"))
