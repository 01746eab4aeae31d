"""The tab of queues and workers: whom each works for, what comes next, and that it stays cheap."""

from datetime import timedelta

import pytest
from rq.job import Job
from rq.utils import utcformat
from rq.worker import WorkerStatus

from jobs.queue_worker import PartitionWorker
from tests.integration.admin.panel import FOR_EVER, OpenPanel
from tests.processes import process
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Heartbeat
from webapp.models.process import ProcessKind
from webapp.models.statistics import Activity, Resolution
from webapp.queue.inspection import look

TAB = "/admin/partitions/?tab=queues"


def add_worker(panel: OpenPanel, name: str, *, job_id: str = "", seen_s_ago: float = 0) -> None:
    """Leave what a worker of ours does, in the middle of a job if one is given."""
    panel.store(process(ProcessKind.WORKER, seen_s_ago, name=name[:64]))
    redis = panel.job_queue.connection
    if job_id:
        began = utcformat(utc_now() - timedelta(minutes=2))
        redis.hset(Job.key_for(job_id), mapping={"worker_name": name, "started_at": began})
        started = panel.job_queue.queue.started_job_registry.key
        redis.zadd(started, {f"{job_id}:{name}": FOR_EVER})


def describe_job(panel: OpenPanel, job_id: str, description: str = "") -> None:
    panel.job_queue.connection.hset(Job.key_for(job_id), "description", description)


def test_a_worker_leads_to_its_tenant_and_job_when_it_is_busy(admin: OpenPanel) -> None:
    tenant_id = admin.add_tenant()
    describe_job(admin, f"t{tenant_id}-g1-d1")
    add_worker(admin, "busy-one", job_id=f"t{tenant_id}-g1-d1")
    page = admin.page(TAB)
    assert f'href="/admin/tenant/details/?id={tenant_id}"' in page
    assert f'href="/rq/0/view/job/t{tenant_id}-g1-d1"' in page
    assert "2 min" in page


def test_a_job_in_hand_is_found_when_rq_itself_gave_it_to_the_worker(panel: OpenPanel) -> None:
    tenant_id, queue = panel.add_tenant(), panel.job_queue.queue
    real = PartitionWorker([queue.name], connection=queue.connection)
    real.register_birth()
    real.set_state(WorkerStatus.BUSY)
    given = queue.fetch_job(f"t{tenant_id}-g1-d1")
    assert given is not None
    real.prepare_execution(given)
    with queue.connection.pipeline() as pipeline:
        given.prepare_for_execution(real.name, pipeline)
        pipeline.execute()
    board = look(panel.job_queue)
    real.register_death()
    assert (list(board.in_hand), board.busy) == ([real.name], 1)
    seen = board.in_hand[real.name]
    assert seen.job.tenant_id == tenant_id
    assert seen.since is not None


def test_a_worker_says_for_how_many_it_works_when_its_job_is_a_chunk(panel: OpenPanel) -> None:
    describe_job(panel, "chunk-1", "100 tenants from 7")
    add_worker(panel, "chunk-one", job_id="chunk-1")
    page = panel.page(TAB)
    assert "100 tenants" in page
    assert "/rq/" not in page


def test_what_is_planted_in_redis_is_only_text_when_the_tab_shows_it(admin: OpenPanel) -> None:
    mark = "<script>alert(1)</script>"
    describe_job(admin, mark, mark)
    add_worker(admin, mark, job_id=mark)
    page = admin.get(TAB)
    assert page.status_code == 200
    assert mark not in page.text


def test_a_process_is_marked_when_it_is_silent(panel: OpenPanel) -> None:
    panel.store(process(ProcessKind.WORKER), process(ProcessKind.WEB, 40, pid=77, host="web-2"))
    page = panel.page(TAB)
    assert "A silent process was killed or hangs." in page
    silent = page.partition("pid 77 on web-2")[2].partition("</tr>")[0]
    assert "silent" in silent and "40 s ago" in silent
    assert '<span class="visually-hidden">worker</span>' in page


def test_redis_is_asked_twice_when_there_are_many_jobs_and_workers(
    panel: OpenPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_queue = panel.job_queue
    queued = [f"t{n}-g1-d1" for n in range(1, 10_001)]
    job_queue.connection.rpush(job_queue.queue.key, *queued)
    describe_job(panel, "t1-g1-d1")
    for number in range(200):
        job_queue.connection.sadd("rq:workers", f"rq:worker:many-{number}")
        job_queue.connection.hset(f"rq:worker:many-{number}", "queues", "theirs")
    sent = []
    connection = job_queue.connection.connection_pool.connection_class
    send = connection.send_packed_command
    monkeypatch.setattr(
        connection,
        "send_packed_command",
        lambda self, *args, **more: (sent.append(1), send(self, *args, **more))[1],
    )
    board = look(job_queue)
    assert (board.waiting, len(sent)) == (10_000, 2)


def test_suspended_workers_are_told_when_rq_itself_holds_them(panel: OpenPanel) -> None:
    panel.store(process(name="held", redis="suspended"))
    assert ".venv/bin/rq resume -c jobs.worker" in panel.page(TAB)
    panel.store(process(name="held"))
    assert "rq resume" not in panel.page(TAB).partition('id="next"')[0]


def test_next_attempts_are_listed_with_their_time_when_some_wait(panel: OpenPanel) -> None:
    soon, later = panel.add_tenant("Soon"), panel.add_tenant("Later")
    for tenant_id, seconds in ((later, 7200), (soon, 95)):
        due = utc_now() + timedelta(seconds=seconds)
        waits = dict.fromkeys(("dispatch_after", "next_attempt_at"), due)
        panel.change(tenant_id, **waits, attempts=1, cause=Cause.TIMEOUT)
    page = panel.page(TAB)
    assert page.index(f'id="next-{soon}"') < page.index(f'id="next-{later}"')
    assert "2 of 3" in page
    assert "No answer in time" in page
    assert "in <time" in page


def test_pace_is_known_only_when_somebody_counts(panel: OpenPanel) -> None:
    assert "events are not counted" in panel.page(TAB)
    minute = utc_now().replace(second=0, microsecond=0)
    panel.store(Heartbeat(name="activity", at=utc_now()))
    for ago, ready in ((1, 300), (30, 60_000)):
        at = minute - timedelta(minutes=ago)
        panel.store(Activity(resolution=Resolution.MINUTE, at=at, ready=ready, failed=0))
    page = panel.page(TAB)
    assert "tenants a minute were finished" in page
    assert "events are not counted" not in page


def test_the_command_that_starts_a_worker_is_told_when_there_is_none(panel: OpenPanel) -> None:
    panel.add_tenant()
    page = panel.page(TAB)
    assert panel.job_queue.queue.name in page
    assert "1 job waits; nothing moves until a worker starts." in page
    assert ".venv/bin/flask worker" in page
