"""A Redis that answers and refuses: pages and forms go on without it, and none says 500."""

from collections.abc import Callable

import pytest
from redis import Redis

from tests.engines.redis import RedisServer
from tests.integration.access.test_limits import fill, make_read_only
from tests.integration.admin.panel import OpenPanel


def forbid_all(redis: RedisServer) -> None:
    with Redis.from_url(redis.url) as client:
        client.acl_setuser("default", enabled=True, nopass=True, commands=["-@all", "+ping"])


@pytest.fixture
def redis(spare_redis: Callable[..., RedisServer]) -> RedisServer:
    return spare_redis()


@pytest.fixture
def own_redis(redis: RedisServer) -> str:
    return redis.url


@pytest.mark.parametrize("trouble", [fill, make_read_only, forbid_all])
def test_pages_and_forms_go_on_when_redis_refuses_commands(
    redis: RedisServer, admin: OpenPanel, trouble: Callable[[RedisServer], None]
) -> None:
    job_id, queue = admin.add_failed_job(), admin.job_queue.queue.name
    pages = ("/admin/", "/admin/partitions/?tab=queues", "/admin/live/", "/readyz", "/metrics")
    dashboard = (
        *("/rq/", "/rq/0/data/queues.json", "/rq/0/data/workers.json"),
        *(f"/rq/0/view/job/{job_id}", f"/rq/0/data/jobs/{queue}/failed/8/asc/1.json"),
    )
    changes = (
        *(f"/rq/job/{job_id}/requeue", f"/rq/job/{job_id}/delete"),
        *(f"/rq/requeue/{queue}", f"/rq/queue/{queue}/failed/empty"),
    )
    token = admin.csrf_token("/admin/tenant/new/")
    trouble(redis)
    for page in pages:
        assert admin.get(page).status_code in {200, 404, 503}, page
    for page in dashboard:
        assert admin.get(page).status_code in {200, 503}, page
    for address in changes:
        answer = admin.post(address, headers={"X-CSRFToken": token})
        assert answer.status_code in {200, 404, 503}, (address, answer.text)
    answer = admin.post("/admin/tenant/new/", {"name": "Acme", "csrf_token": token})
    assert answer.status_code == 302
    assert admin.get("/admin/tenant/").status_code == 200


DASHBOARD = ("/rq/", "/rq/0/view/jobs", "/rq/0/view/job/t1-g1-d1")


def test_the_dashboards_pages_have_a_way_back_when_redis_does_not_answer(
    admin: OpenPanel, redis: RedisServer
) -> None:
    redis.stop()
    for address in DASHBOARD:
        answer = admin.get(address)
        assert answer.status_code == 503, address
        assert answer.headers["Retry-After"]
        assert "<h1>Redis does not answer</h1>" in answer.text
        assert 'href="/admin/"' in answer.text
    assert "<h1>" not in admin.page("/rq/0/data/queues.json")


def test_the_dashboards_pages_have_a_way_back_when_a_key_is_of_another_kind(
    admin: OpenPanel, redis: RedisServer
) -> None:
    with Redis.from_url(redis.url) as client:
        client.set("rq:queues", "no set")
        client.set("rq:job:t1-g1-d1", "no hash")
    for address in DASHBOARD:
        answer = admin.get(address)
        assert answer.status_code == 422, address
        assert 'href="/admin/"' in answer.text
    assert admin.get("/rq/0/view/job/t2-g1-d1").status_code == 404
