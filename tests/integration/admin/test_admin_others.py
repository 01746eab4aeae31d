"""Another RQ application on our Redis and queue, and garbage: told apart, shown, left alone."""

import pickle

import pytest
from redis import Redis
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.registry import (
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)

from jobs.reconciler.repair import Repair
from tests.integration.admin.panel import FOR_EVER, OpenPanel
from webapp.cli.config import config_command
from webapp.queue.inspection import look

TAB = "/admin/partitions/?tab=queues"


@pytest.fixture
def redis(admin: OpenPanel) -> Redis:
    return admin.job_queue.connection


@pytest.fixture
def theirs(admin: OpenPanel) -> Queue:
    """The same queue, as the other application uses it: with pickles and ids of RQ's own."""
    queue = Queue(admin.job_queue.queue.name, connection=admin.job_queue.connection)
    failed, started, finished, waiting, scheduled, deferred = (
        queue.create_job("os.getcwd", args=(n,)) for n in range(6)
    )
    for job in (failed, started, finished, waiting, scheduled, deferred):
        job.origin = queue.name
        job.save()
    for registry, job_id in (
        (FailedJobRegistry, failed.id),
        (StartedJobRegistry, f"{started.id}:1"),
        (FinishedJobRegistry, finished.id),
        (ScheduledJobRegistry, scheduled.id),
        (DeferredJobRegistry, deferred.id),
    ):
        queue.connection.zadd(registry(queue=queue).key, {job_id: FOR_EVER})
    for status, job in (("failed", failed), ("queued", waiting)):
        queue.connection.hset(job.key, "status", status)
    queue.push_job_id(waiting.id)
    return queue


def add_worker(queue: Queue) -> SimpleWorker:
    worker = SimpleWorker([queue], connection=queue.connection)
    worker.register_birth()
    worker.set_state("idle")
    return worker


def all_of(redis: Redis, queue: Queue) -> dict[bytes, bytes | None]:
    keys = [key for key in redis.scan_iter("rq:job:*") if b":t" not in key]
    return {key: redis.dump(key) for key in keys} | {
        key: b"".join(sorted(entry for entry in redis.zrange(key, 0, -1) if entry[:1] != b"t"))
        for key in redis.scan_iter(f"rq:*:{queue.name}")
        if redis.type(key) == b"zset"
    }


def test_only_what_is_ours_is_counted_when_others_use_the_queue(
    admin: OpenPanel, theirs: Queue
) -> None:
    admin.add_tenant()
    add_worker(theirs)
    board = look(admin.job_queue)
    page = admin.page(TAB)
    told = admin.app.test_cli_runner().invoke(config_command, ["--json"])
    assert (board.waiting, board.in_hand) == (1, {})
    assert (board.others.waiting, board.others.kept, board.others.workers) == (1, 4, 1)
    assert 'id="others"' in page and "Give Paratia a Redis database of its own" in page
    assert told.stderr.startswith("Warning: another application uses our queues")
    assert told.stdout.startswith("{")


def test_nobody_is_warned_of_when_the_queues_are_ours_alone(panel: OpenPanel) -> None:
    panel.add_failed_job()
    assert 'id="others"' not in panel.page(TAB)
    assert panel.app.test_cli_runner().invoke(config_command).stderr == ""


def test_others_jobs_stay_when_the_sweep_forgets_ours(
    admin: OpenPanel, redis: Redis, theirs: Queue
) -> None:
    job_id = admin.add_failed_job()
    admin.change(1, claimed_job_id="t1-g1-d9")
    before = all_of(redis, theirs)
    redis.hset(Job.key_for("t5-g1-d1"), mapping={"data": pickle.dumps(1), "status": "failed"})
    garbage = {b"\xff": 1, "a b": 2, "../x": 3, "x" * 10_000: 4, "t5-g1-d1": 5, "t6-g1-d1": 6}
    redis.zadd(FailedJobRegistry(queue=theirs).key, garbage)
    redis.set(Job.key_for("t7-g1-d1"), "no hash")
    redis.zadd(FailedJobRegistry(queue=theirs).key, {"t7-g1-d1": 7})
    redis.rpush(theirs.key, b"\xff")
    redis.set("rq:results:t8-g1-d1", "no stream")
    assert admin.job_queue.live([job_id, "t7-g1-d1"]) == set()
    # One that no tenant is failing by, and one that is gone.
    services = admin.services
    repair = Repair(services.database, services.job_queue, services.dispatcher, services.policy)
    assert repair.drop_stale_failed_jobs() == 2
    assert repair.drop_stale_failed_jobs() == 0
    assert not redis.exists(Job.key_for(job_id))
    redis.zrem(FailedJobRegistry(queue=theirs).key, *garbage, "t7-g1-d1")
    redis.delete(Job.key_for("t5-g1-d1"))
    assert all_of(redis, theirs) == before


def test_only_ours_are_requeued_and_deleted_when_an_admin_does_all(
    admin: OpenPanel, redis: Redis, theirs: Queue
) -> None:
    name, before = theirs.name, all_of(redis, theirs)
    headers = {"X-CSRFToken": admin.csrf_token("/logout")}
    admin.add_failed_job()
    answer = admin.post(f"/rq/requeue/{name}", headers=headers)
    assert answer.json == {"status": "OK", "count": 1}
    admin.add_tenant("Waits")
    for registry in ("queued", "failed", "deferred", "started", "finished", "scheduled"):
        assert admin.post(f"/rq/queue/{name}/{registry}/empty", headers=headers).json == {
            "status": "OK"
        }
    for job_id in [key.decode()[7:] for key in redis.scan_iter("rq:job:*")]:
        for action in ("requeue", "delete"):
            assert admin.post(f"/rq/job/{job_id}/{action}", headers=headers).status_code == 404
    admin.post(f"/rq/queue/{name}/compact", headers=headers)
    assert all_of(redis, theirs) == before
    assert len(theirs.job_ids) == 1


@pytest.mark.parametrize("registry", ["queued", "failed", "started", "scheduled"])
def test_the_others_are_listed_when_one_job_cannot_be_read(
    admin: OpenPanel, redis: Redis, theirs: Queue, registry: str
) -> None:
    tenant_id = admin.add_tenant()
    job_id = f"t{tenant_id}-g1-d1"
    odd = ["a b", "../x", "x" * 10_000, "<b>", "garbage", "wrong-kind", "gone", b"\xff\xfe"]
    redis.hset(Job.key_for("garbage"), mapping={"data": b"\xff", "created_at": b"\xff"})
    redis.xadd("rq:results:garbage", {"exc_string": "!", "type": "x"})
    redis.set(Job.key_for("wrong-kind"), "x")
    redis.set(f"rq:results:{job_id}", "x")
    if registry == "queued":
        redis.rpush(theirs.key, *odd)
    else:
        key = f"rq:{ {'started': 'wip'}.get(registry, registry) }:{theirs.name}"
        redis.zadd(key, {**dict.fromkeys(odd, 1.0), job_id: 2.0})
    address = f"/rq/0/data/jobs/{theirs.name}/{registry}/50"
    listed = admin.get(f"{address}/asc/1.json").json["jobs"]
    found = {job["id"]: job["description"] for job in listed}
    assert found[job_id] == f"tenant {tenant_id}, request 1"
    assert found["garbage"] == found["wrong-kind"] == found["\\xff\\xfe"]
    assert {"a b", "../x", "<b>"} <= set(found)
    assert len(found) == len(odd) + 1 + 1
    turned = admin.get(f"{address}/dsc/1.json").json["jobs"]
    assert [job["id"] for job in turned] == [job["id"] for job in listed][::-1]
    assert admin.get(TAB).status_code == 200


def test_every_page_opens_when_queues_and_workers_are_garbage(
    admin: OpenPanel, redis: Redis, theirs: Queue
) -> None:
    redis.sadd("rq:queues", theirs.key, b"rq:queue:\xff", "nonsense", "rq:queue:text")
    redis.set("rq:queue:text", "x")
    redis.sadd("rq:workers", b"rq:worker:\xff", "nonsense", "rq:worker:text", "rq:worker:odd")
    redis.set("rq:worker:text", "x")
    redis.hset("rq:worker:odd", mapping={"state": "idle", "birth": b"\xff", "pid": "x"})
    worker = add_worker(theirs)
    for address in ("/rq/", "/rq/0/view/workers", TAB, "/admin/"):
        assert admin.get(address).status_code == 200, address
    workers = admin.get("/rq/0/data/workers.json").json["workers"]
    queues = admin.get("/rq/0/data/queues.json").json["queues"]
    assert [each["name"] for each in workers] == [worker.name]
    assert theirs.name in [each["name"] for each in queues]
    redis.delete(theirs.key)
    redis.set(theirs.key, "x")
    assert admin.get(TAB).status_code == 200


def test_pages_of_a_job_open_when_it_depends_on_another(
    admin: OpenPanel, redis: Redis, theirs: Queue
) -> None:
    first = theirs.enqueue("os.getcwd")
    second = theirs.enqueue("os.getcwd", depends_on=first)
    for job in (first, second):
        assert admin.get(f"/rq/0/view/job/{job.id}").status_code == 200
        assert admin.get(f"/rq/0/data/job/{job.id}.json").status_code in {200, 422}
