"""Pausing and resuming, queues and workers, and rq-dashboard, as an operator lives them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.utils import utcformat
from webapp.db.types import utc_now

from tests.acceptance.product import Product
from tests.browser.conftest import Outage
from tests.engines.process import wait_until
from tests.engines.proxy import Mode

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"`;alert(3)//"
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


def told(product: Product, number: int) -> list[str]:
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
    page.get_by_role("link", name="Pause provisioning").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Pause all provisioning?")
    expect(dialog).to_contain_text("No attempt is under way now.")
    dialog.get_by_label("Reason").focus()
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
    assert told(product, number) == ["requested"]

    page.get_by_role("button", name="Resume provisioning").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#notices")).to_contain_text("Provisioning goes on.")
    # Without a reload, on the page that somebody else has open.
    expect(elsewhere.get_by_text("ready", exact=True).first).to_be_visible(timeout=15_000)
    expect(elsewhere.locator("#paused")).to_be_empty()
    assert told(product, number).count("created") == 1


def test_a_worker_leads_to_the_tenant_it_works_for_when_it_is_busy(
    page: Page, product: Product, milvus_without: Outage
) -> None:
    with milvus_without(Mode.HANG):
        number = product.create("In the works")["id"]
        product.await_state(number, "provisioning")
        with product.frozen("worker"):
            page.goto(TAB)
            link = page.locator("#workers").get_by_role("link", name=f"Tenant {number}")
            expect(link).to_be_visible()
            expect(page.locator("#workers")).to_contain_text("busy")
            link.focus()
            page.keyboard.press("Enter")
            page.wait_for_url(f"**/admin/tenant/details/?id={number}")
        product.await_state(number, "failed")


def test_what_to_start_is_told_when_no_worker_runs(page: Page, product: Product) -> None:
    with redis_of(product) as connection:
        (key,) = connection.smembers("rq:workers")
        connection.srem("rq:workers", key)
        page.goto(TAB)
        expect(page.locator("#start-one")).to_contain_text("flask worker")
        connection.sadd("rq:workers", key)
        expect(page.locator("#start-one")).to_have_count(0)


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
    assert told(product, number)[-3:] == ["retried", "creating", "created"]
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
        return told(product, numbers[-1]).count("dispatched") > 1

    wait_until(redispatched, 30, "the sweep to dispatch again")
    for number in numbers:
        product.await_state(number, "ready")


def test_a_tenant_can_still_be_retried_when_its_failed_job_is_deleted_in_rq_dashboard(
    page: Page, product: Product, failed: Any
) -> None:
    (number,) = failed("Deleted by hand")
    (job,) = [job for job in failed_jobs(product) if job.startswith(f"t{number}-")]
    page.goto(f"/rq/0/view/job/{job}")
    confirm(page, page.get_by_role("button", name="Delete"))
    assert product.tenant(number)["partition"]["status"] == "failed"
    assert product.api("POST", f"/api/tenants/{number}/retry").status_code == 202
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


@contextmanager
def planted(product: Product) -> Iterator[str]:
    """A failed job, a queue and a worker whose every name and text is hostile."""
    with redis_of(product) as connection:
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


def test_everything_stays_text_when_what_is_in_redis_is_hostile(
    page: Page, product: Product
) -> None:
    with planted(product) as job:
        for address, place in (
            (f"/rq/0/view/job/{job}", "#job-data"),
            ("/rq/0/view/jobs/planted/failed/8/asc/1", "#jobs"),
            ("/rq/0/view/workers", "#workers"),
            ("/rq/0/view/queues", "#queues"),
            (TAB, "#workers"),
        ):
            page.goto(address)
            expect(page.locator(place)).to_contain_text(HOSTILE[:30])
            assert page.locator("img[src=x]").count() == 0, address
        page.goto("/rq/0/view/jobs/planted/failed/8/asc/1")
        expect(page.locator("#select-queue")).to_have_value("planted")
        expect(page.locator("pre.exc_info")).to_contain_text(re.compile("alert"))
