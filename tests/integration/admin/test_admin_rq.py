"""rq-dashboard, mounted: for admins only, and without its known holes."""

import base64
import pickle
import secrets
import tracemalloc
import zlib
from pathlib import Path

import pytest
from rq import SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus
from structlog.testing import CapturingLogger

from tests.integration.admin.panel import OpenPanel
from webapp.queue.own_jobs import RESULTS


def test_unknown_things_are_not_found_when_asked_for(admin: OpenPanel) -> None:
    for address in (
        *("/rq/0/view/job/nothing", "/rq/0/data/job/nothing.json", "/rq/1/view/queues"),
        *("/rq/0/data/jobs/default/nonsense/8/asc/1.json", "/rq/0/data/jobs/q/failed/x/asc/1.json"),
    ):
        assert admin.get(address).status_code == 404, address


def test_jobs_are_shown_when_they_wait(admin: OpenPanel) -> None:
    tenant_id = admin.add_tenant()
    name = admin.job_queue.queue.name
    listed = admin.get(f"/rq/0/data/jobs/{name}/queued/8/asc/1.json").json
    assert [job["id"] for job in listed["jobs"]] == [f"t{tenant_id}-g1-d1"]
    job = admin.get(f"/rq/0/data/job/t{tenant_id}-g1-d1.json").json
    assert job["status"] == "queued"


def test_workers_are_listed_when_one_is_busy(admin: OpenPanel) -> None:
    tenant_id, queue = admin.add_tenant(), admin.job_queue.queue
    job = queue.fetch_job(f"t{tenant_id}-g1-d1")
    assert job is not None
    busy_worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer)
    busy_worker.register_birth()
    busy_worker.set_state(WorkerStatus.BUSY)
    busy_worker.prepare_execution(job)
    answer = admin.get("/rq/0/data/workers.json")
    found = {worker["name"]: worker for worker in answer.json["workers"]}
    assert found[busy_worker.name]["current_job"]["job_id"] == f"t{tenant_id}-g1-d1"


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Path.touch, (self.mark,)  # type: ignore[return-value]


def test_a_pickle_planted_in_redis_is_never_opened_when_its_pages_are(
    admin: OpenPanel, tmp_path: Path
) -> None:
    queue, mark = admin.job_queue.queue, tmp_path / "exploded"
    job = queue.create_job("jobs.provisioning.create_partition", args=[1, 1])
    job.save()
    bomb = pickle.dumps(Bomb(mark))
    planted = {"data": bomb, "meta": bomb, "result": bomb, "description": "x"}
    queue.connection.hset(Job.key_for(job.id), mapping=planted)
    queue.push_job_id(job.id)
    headers = {"X-CSRFToken": admin.csrf_token("/logout")}
    for address in (
        *(f"/rq/0/view/job/{job.id}", f"/rq/0/data/job/{job.id}.json"),
        *(f"/rq/0/data/jobs/{queue.name}/queued/8/asc/1.json", "/rq/0/data/workers.json"),
    ):
        assert admin.get(address).status_code in {200, 404, 422}, address
    for action in ("requeue", "delete"):
        admin.post(f"/rq/job/{job.id}/{action}", headers=headers)
    assert not mark.exists()


@pytest.mark.parametrize("field", ["data", "exc_info", "result"])
def test_a_job_that_would_unpack_to_too_much_is_not_shown(admin: OpenPanel, field: str) -> None:
    queue = admin.job_queue.queue
    job = queue.create_job("jobs.provisioning.create_partition", args=[1, 1])
    job.save()
    packed = zlib.compress(b"a" * 50_000_000)
    if field == "result":
        told = {"type": "2", "exc_string": base64.b64encode(packed)}
        queue.connection.xadd(RESULTS.format(job.id), told)  # type: ignore[arg-type]
    else:
        queue.connection.hset(Job.key_for(job.id), field, packed)  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        answer = admin.get(f"/rq/0/data/job/{job.id}.json")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer.status_code, most < 20_000_000) == (422, True)


def test_eval_is_allowed_for_the_dashboard_alone_when_its_pages_are_served(
    admin: OpenPanel,
) -> None:
    assert "'unsafe-eval'" in admin.get("/rq/").headers["Content-Security-Policy"]
    assert "unsafe" not in admin.get("/admin/").headers["Content-Security-Policy"]


def test_a_password_in_the_redis_address_is_not_shown_when_the_dashboard_opens(
    admin: OpenPanel,
) -> None:
    secret = secrets.token_hex(8)
    admin.client.application.config["RQ_DASHBOARD_REDIS_URL"] = [f"redis://:{secret}@localhost"]
    assert secret not in admin.page("/rq/")


def test_nothing_is_logged_at_info_when_an_open_page_of_the_dashboard_asks_again(
    admin: OpenPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = CapturingLogger()
    monkeypatch.setattr("webapp.http.request_log.log", logger)
    name = admin.job_queue.queue.name
    for address in (
        *("/rq/0/data/queues.json", "/rq/0/data/workers.json"),
        f"/rq/0/data/jobs/{name}/queued/8/asc/1.json",
    ):
        assert admin.get(address).status_code == 200
    assert [call.method_name for call in logger.calls] == ["debug"] * 3
