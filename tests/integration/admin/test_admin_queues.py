"""The tab of queues and workers: whom each works for, what comes next, and that it stays cheap."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from apiflask import APIFlask
from rq.job import Job
from rq.suspension import resume, suspend
from rq.utils import utcformat
from rq.worker import WorkerStatus

from jobs.queue_worker import PartitionWorker
from tests.access import Visitor, database_of
from tests.integration.admin.tenants import add_tenant
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Heartbeat
from webapp.models.partition import Partition
from webapp.models.statistics import Activity, Resolution
from webapp.queue.inspection import look
from webapp.queue.job_queue import JobQueue
from webapp.queue.models import Board

TAB = "/admin/partitions/?tab=queues"


def job_queue_of(app: APIFlask) -> JobQueue:
    job_queue: JobQueue = app.extensions["job_queue"]
    return job_queue


@contextmanager
def worker(app: APIFlask, name: str, *, job_id: str = "", silent_s: float = 0) -> Iterator[None]:
    redis, key = job_queue_of(app).connection, f"rq:worker:{name}"
    started = job_queue_of(app).queue.started_job_registry.key
    heard = utc_now() - timedelta(seconds=silent_s)
    values = {
        "state": "busy" if job_id else "idle",
        "birth": utcformat(heard),
        "last_heartbeat": utcformat(heard),
        "queues": "a,b",
        "application": "paratia",
    }
    redis.hset(key, mapping=values)
    redis.sadd("rq:workers", key)
    if job_id:
        began = utcformat(utc_now() - timedelta(minutes=2))
        redis.hset(Job.key_for(job_id), mapping={"worker_name": name, "started_at": began})
        redis.zadd(started, {f"{job_id}:{name}": 9e9})
    yield
    redis.delete(key)
    redis.srem("rq:workers", key)
    redis.zrem(started, f"{job_id}:{name}")


def job(app: APIFlask, job_id: str, description: str = "") -> None:
    job_queue_of(app).connection.hset(Job.key_for(job_id), "description", description)


def board_of(app: APIFlask) -> Board:
    return look(job_queue_of(app))


def test_a_worker_leads_to_its_tenant_and_job_when_it_is_busy(
    app: APIFlask, admin: Visitor
) -> None:
    tenant_id = add_tenant(app)
    job(app, f"t{tenant_id}-g1-d1")
    with worker(app, "busy-one", job_id=f"t{tenant_id}-g1-d1"):
        page = admin.get(TAB).text
    assert f'href="/admin/tenant/details/?id={tenant_id}"' in page
    assert f'href="/rq/0/view/job/t{tenant_id}-g1-d1"' in page
    assert "2 min" in page


def test_a_job_in_hand_is_found_when_rq_itself_gave_it_to_the_worker(app: APIFlask) -> None:
    tenant_id, queue = add_tenant(app), job_queue_of(app).queue
    real = PartitionWorker([queue.name], connection=queue.connection)
    real.register_birth()
    real.set_state(WorkerStatus.BUSY)
    given = queue.fetch_job(f"t{tenant_id}-g1-d1")
    assert given is not None
    real.prepare_execution(given)
    with queue.connection.pipeline() as pipeline:
        given.prepare_for_execution(real.name, pipeline)
        pipeline.execute()
    (seen,) = [each for each in board_of(app).workers if each.name == real.name]
    real.register_death()
    assert seen.job is not None
    assert (seen.job.tenant_id, seen.is_busy, seen.is_silent) == (tenant_id, True, False)
    assert seen.since is not None
    assert real.name not in [each.name for each in board_of(app).workers]


def test_a_worker_says_for_how_many_it_works_when_its_job_is_a_chunk(
    app: APIFlask, operator: Visitor
) -> None:
    job(app, "chunk-1", "100 tenants from 7")
    with worker(app, "chunk-one", job_id="chunk-1"):
        page = operator.get(TAB).text
    assert "100 tenants" in page
    assert "/rq/" not in page


def test_what_is_planted_in_redis_is_only_text_when_the_tab_shows_it(
    app: APIFlask, admin: Visitor
) -> None:
    mark = "<script>alert(1)</script>"
    job(app, mark, mark)
    with worker(app, mark, job_id=mark):
        page = admin.get(TAB)
    assert page.status_code == 200
    assert mark not in page.text


def test_a_worker_is_marked_when_it_is_silent(app: APIFlask, operator: Visitor) -> None:
    with worker(app, "silent-one", silent_s=600):
        board = board_of(app)
        page = operator.get(TAB).text
    assert [w.is_silent for w in board.workers if w.name == "silent-one"] == [True]
    assert "A silent worker was killed or hangs." in page


def test_a_worker_is_not_shown_when_only_its_key_is_left(app: APIFlask) -> None:
    job_queue_of(app).connection.sadd("rq:workers", "rq:worker:gone-one")
    assert "gone-one" not in [each.name for each in board_of(app).workers]
    job_queue_of(app).connection.srem("rq:workers", "rq:worker:gone-one")


def test_redis_is_asked_twice_when_there_are_many_jobs_and_workers(
    app: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_queue = job_queue_of(app)
    queued = [f"t{n}-g1-d1" for n in range(1, 10_001)]
    job_queue.connection.rpush(job_queue.queue.key, *queued)
    job(app, "t1-g1-d1")
    sent = []
    connection = job_queue.connection.connection_pool.connection_class
    send = connection.send_packed_command
    monkeypatch.setattr(
        connection,
        "send_packed_command",
        lambda self, *args, **more: (sent.append(1), send(self, *args, **more))[1],
    )
    board = None
    workers = [worker(app, f"many-{n}", job_id="t1-g1-d1") for n in range(200)]
    for each in workers:
        each.__enter__()
    sent.clear()
    board = board_of(app)
    asked = len(sent)
    for each in workers:
        each.__exit__(None, None, None)
    assert (board.waiting, asked) == (10_000, 2)
    assert len([each for each in board.workers if each.name.startswith("many-")]) == 200
    job_queue.connection.delete(job_queue.queue.key)


def test_suspended_workers_are_told_when_rq_itself_holds_them(
    app: APIFlask, operator: Visitor
) -> None:
    suspend(job_queue_of(app).connection)
    try:
        page = operator.get(TAB).text
    finally:
        resume(job_queue_of(app).connection)
    assert ".venv/bin/rq resume -c jobs.worker" in page
    assert "rq resume" not in operator.get(TAB).text


def test_next_attempts_are_listed_with_their_time_when_some_wait(
    app: APIFlask, operator: Visitor
) -> None:
    soon, later = add_tenant(app, "Soon"), add_tenant(app, "Later")
    for tenant_id, seconds in ((later, 7200), (soon, 95)):
        due = utc_now() + timedelta(seconds=seconds)
        with database_of(app).transaction() as session:
            row = session.get(Partition, tenant_id)
            assert row is not None
            row.dispatch_after = row.next_attempt_at = due
            row.attempts, row.cause = 1, Cause.TIMEOUT
    page = operator.get(TAB).text
    assert page.index(f'id="next-{soon}"') < page.index(f'id="next-{later}"')
    assert "2 of 3" in page
    assert "No answer in time" in page
    assert "in <time" in page


def test_pace_is_known_only_when_somebody_counts(app: APIFlask, operator: Visitor) -> None:
    assert "events are not counted" in operator.get(TAB).text
    minute = utc_now().replace(second=0, microsecond=0)
    with database_of(app).transaction() as session:
        session.add(Heartbeat(name="activity", at=utc_now()))
        for ago, ready in ((1, 300), (30, 60_000)):
            at = minute - timedelta(minutes=ago)
            session.add(Activity(resolution=Resolution.MINUTE, at=at, ready=ready, failed=0))
    page = operator.get(TAB).text
    assert "tenants a minute were finished" in page
    assert "events are not counted" not in page


def test_the_command_that_starts_a_worker_is_told_when_there_is_none(
    app: APIFlask, operator: Visitor
) -> None:
    add_tenant(app)
    page = operator.get(TAB).text
    assert "1 job waits; nothing moves until a worker starts." in page
    assert ".venv/bin/flask worker" in page
