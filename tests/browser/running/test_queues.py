"""Pausing and resuming, queues and workers, and rq-dashboard, as an operator lives them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from redis import Redis
from rq import Queue
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from tests.acceptance.product import Product
from tests.browser.keys import press, reach
from tests.browser.running.conftest import Outage
from tests.engines.process import wait_until
from tests.engines.proxy import Mode

TAB = "/admin/partitions/?tab=queues"
FAILED = "/rq/0/view/jobs/default/failed/8/asc/1"


@pytest.fixture(autouse=True)
def _goes_on(product: Product) -> Iterator[None]:
    """Whatever became of a test, the next one finds nothing paused."""
    yield
    product.api("POST", "/api/partitions/resume")


@contextmanager
def redis_of(product: Product) -> Iterator[Redis]:
    connection = Redis.from_url(f"unix://{product.var_dir}/redis.sock")
    yield connection
    connection.close()


def failed_jobs(product: Product) -> list[str]:
    with redis_of(product) as connection:
        queue = Queue("default", connection=connection, serializer=JSONSerializer)
        return [str(job) for job in FailedJobRegistry(queue=queue).get_job_ids(cleanup=False)]


def event_names(product: Product, number: int) -> list[str]:
    """The short names of a tenant's events, oldest first."""
    return [row["event"].rpartition(".")[2] for row in product.events(number)]


def confirm(page: Page, button: Any) -> None:
    """Press one of the dashboard's buttons, and its "Yes"."""
    button.click()
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        page.get_by_role("button", name="Yes").click()
    assert answered.value.status == 200
    expect(page.locator("#confirmation-modal")).to_be_hidden()


def test_sign_ups_wait_until_resumed_when_an_operator_pauses_by_keyboard(
    page: Page, context: BrowserContext, product: Product
) -> None:
    page.goto(TAB)
    elsewhere = context.new_page()
    elsewhere.goto("/admin/")
    press(page, page.get_by_role("link", name="Pause provisioning"))
    dialog = page.get_by_role("dialog", name="Pause all provisioning?")
    expect(dialog).to_contain_text("No attempt is under way now.")
    reach(page, dialog.get_by_label("Reason"))
    page.keyboard.type("Upgrade of Milvus")
    page.keyboard.press("Enter")
    banner = page.locator("#paused")
    expect(banner).to_contain_text("Provisioning is paused since")
    expect(banner).to_contain_text("Upgrade of Milvus")
    expect(elsewhere.locator("#paused")).to_contain_text("Upgrade of Milvus", timeout=15_000)

    number = product.create("Waits for Milvus")["id"]
    expect(page.locator(f"#next-{number}")).to_contain_text("when resumed")
    expect(banner).to_contain_text("1 tenant waits.")
    elsewhere.goto(f"/admin/tenant/details/?id={number}")
    expect(elsewhere.get_by_text("pending", exact=True).first).to_be_visible()
    assert event_names(product, number) == ["requested"]

    press(page, page.get_by_role("button", name="Resume provisioning").first)
    expect(page.locator("#notices")).to_contain_text("Provisioning goes on.")
    # Without a reload, on the page that somebody else has open.
    expect(elsewhere.get_by_text("ready", exact=True).first).to_be_visible(timeout=15_000)
    expect(elsewhere.locator("#paused")).to_be_empty()
    assert event_names(product, number).count("created") == 1


def test_a_worker_leads_to_the_tenant_it_works_for_when_it_is_busy(
    page: Page, product: Product, milvus_without: Outage
) -> None:
    with milvus_without(Mode.HANG):
        number = product.create("In the works")["id"]
        product.await_state(number, "provisioning")
        with product.frozen("worker"):
            page.goto(TAB)
            link = page.locator("#processes").get_by_role("link", name=f"Tenant {number}")
            expect(link).to_be_visible()
            expect(page.locator("#processes")).to_contain_text("busy")
            press(page, link)
            page.wait_for_url(f"**/admin/tenant/details/?id={number}")
        product.await_state(number, "failed")


def test_the_database_agrees_when_a_failed_job_is_retried_in_rq_dashboard(
    page: Page, product: Product, failed: Any
) -> None:
    (number,) = failed("Retried by hand")
    (job,) = [job for job in failed_jobs(product) if job.startswith(f"t{number}-")]
    page.goto(f"/rq/0/view/job/{job}")
    expect(page.locator("#job-data")).to_contain_text("ProvisioningFailed")
    expect(page.get_by_role("link", name=f"Tenant {number}")).to_be_visible()
    page.get_by_role("button", name="Requeue").click()
    product.await_state(number, "ready")
    assert event_names(product, number)[-3:] == ["retried", "creating", "created"]
    (retried,) = [row for row in product.events(number) if row["event"].endswith(".retried")]
    assert retried["actor"] == "queue"
    wait_until(lambda: job not in failed_jobs(product), 15, "the failed registry to be empty")
    page.get_by_role("link", name=f"Tenant {number}").click()
    page.wait_for_url(f"**/admin/tenant/details/?id={number}")
    expect(page.get_by_text("ready", exact=True).first).to_be_visible()


def test_all_are_ready_when_all_that_failed_are_requeued_in_rq_dashboard(
    page: Page, product: Product, failed: Any
) -> None:
    numbers = failed("One of them", "Another of them")
    page.goto(FAILED)
    confirm(page, page.get_by_role("link", name="Requeue All"))
    for number in numbers:
        product.await_state(number, "ready")
    wait_until(lambda: not failed_jobs(product), 15, "the failed registry to be empty")
    assert [event_names(product, number)[-1] for number in numbers] == ["created"] * 2


def test_no_tenant_is_lost_when_a_queue_is_emptied_in_rq_dashboard(
    page: Page, product: Product
) -> None:
    with product.frozen("worker"):
        # The first goes to the worker, which waited for it when it froze.
        numbers = [product.create(f"Emptied {n}")["id"] for n in range(3)]
        page.goto("/rq/0/view/jobs/default/queued/8/asc/1")
        expect(page.locator("#jobs")).to_contain_text(f"t{numbers[-1]}-g1-d1")
        confirm(page, page.get_by_role("link", name="Empty queue"))
        expect(page.locator("#jobs")).to_contain_text("No jobs.", timeout=15_000)

    def redispatched() -> bool:
        product.flask("partitions", "reconcile", "--once")
        return event_names(product, numbers[-1]).count("dispatched") > 1

    wait_until(redispatched, 30, "the sweep to dispatch again")
    for number in numbers:
        product.await_state(number, "ready")


def test_an_attempt_ends_as_ever_when_its_job_is_deleted_while_it_runs(
    page: Page, product: Product, milvus_without: Outage
) -> None:
    with milvus_without(Mode.HANG):
        number = product.create("Deleted in hand")["id"]
        product.await_state(number, "provisioning")
        page.goto(f"/rq/0/view/job/t{number}-g1-d1")
        confirm(page, page.get_by_role("button", name="Delete"))
        ended = product.await_state(number, "failed")
        # By the worker itself, which knows why; its lease, which runs out soon after, does not.
        assert ended["partition"]["cause"] != "unexpected"
    product.api("POST", f"/api/tenants/{number}/retry")
    product.await_state(number, "ready")
