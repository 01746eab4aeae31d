"""The worker runs our two functions and nothing else, whatever stands in Redis."""

import json
import pickle
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from redis import Redis, RedisError
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.utils import utcformat

from jobs.queue_worker import queue_worker
from tests.engines.process import wait_until
from tests.engines.redis import RedisServer
from tests.factories import Product
from tests.integration.domain.commands import runner
from tests.integration.domain.test_processes import run
from webapp.db.types import utc_now
from webapp.queue.own_jobs import CHUNK, ONE

BIN = Path(sys.executable).parent
FOR_EVER = 9_999_999_999
WORKERS = {
    "flask worker": [str(BIN / "flask"), "worker", "--burst"],
    "another class, a scheduler": [
        *(str(BIN / "rq"), "worker", "-c", "jobs.worker", "--burst", "--with-scheduler"),
        *("-w", "rq.worker.SpawnWorker", "-S", "pickle", "-ds", "random"),
    ],
}


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Path.touch, (self.mark,)  # type: ignore[return-value]


@pytest.fixture
def own(whole: Product, redis_server: RedisServer) -> Product:
    """The product on a Redis database of its own, where it may be the only one."""
    return whole.configured(redis_url=redis_server.new_database())


@pytest.fixture
def redis(own: Product) -> Iterator[Redis]:
    """What somebody uses who can write to that Redis."""
    with Redis.from_url(own.settings.redis_address) as connection:
        yield connection


def call(function: str, *args: Any, **kwargs: Any) -> bytes:
    return json.dumps([function, None, args, kwargs]).encode()


def planted(mark: Path, tenant_id: int) -> dict[str, dict[str, Any]]:
    """Jobs of others by their ids, each of which leaves `mark` behind where it is run."""
    touch = call("os.system", f"touch {mark}")
    ours = call(ONE, tenant_id, 1)
    named = {
        f"{when}_callback_name": "tests.integration.domain.planted.touch"
        for when in ("success", "failure", "stopped")
    }
    webhook = {"url": "http://127.0.0.1:9/", "job_status": "failed", "timeout": 1}
    more: Mapping[str, Any] = {
        **named,
        "webhooks": json.dumps([webhook]),
        "retries_left": 5,
        "repeats_left": 5,
        "dependency_ids": json.dumps(["nobody"]),
        "group_id": "nobody",
        "meta": pickle.dumps(Bomb(mark)),
    }
    return {
        "json": {"data": touch},
        "compressed": {"data": zlib.compress(touch)},
        "pickled": {"data": pickle.dumps(("os.system", None, (f"touch {mark}",), {}))},
        "bomb": {"data": pickle.dumps(Bomb(mark)), "meta": pickle.dumps(Bomb(mark))},
        "with-everything": {"data": touch, **more},
        "t1-g1-d7": {"data": touch},
        "t1-g1-d8": {"data": json.dumps(["touch", f"pathlib.Path('{mark}')", [], {}])},
        "t1-g1-d9": {"data": call("jobs.provisioning.create_partition.__globals__", 1, 1)},
        "by-hand": {"data": ours},
        "chunk-77": {"data": call(CHUNK, [[tenant_id, 1], [tenant_id, "1"]])},
    }


def plant(redis: Redis, queue: Queue, jobs: Mapping[str, Mapping[str, Any]]) -> None:
    """Push the jobs, as RQ's own `enqueue` leaves them."""
    for job_id, fields in jobs.items():
        there = {"status": "queued", "origin": queue.name, "created_at": utcformat(utc_now())}
        redis.hset(Job.key_for(job_id), mapping={**there, **fields})
        redis.rpush(queue.key, job_id)


def failed_in(redis: Redis, queue: Queue) -> set[str]:
    return {job.decode() for job in redis.zrange(f"rq:failed:{queue.name}", 0, -1)}


def reason_of(redis: Redis, job_id: str) -> str:
    """What the job's page shows of its failure."""
    job = Job(job_id, connection=redis, serializer=JSONSerializer)
    result = Result.fetch_latest(job, serializer=JSONSerializer)
    assert result is not None, job_id
    return str(result.exc_string)


@pytest.mark.parametrize("command", WORKERS.values(), ids=WORKERS.keys())
def test_only_our_functions_run_when_others_stand_on_our_queue(
    own: Product, redis: Redis, tmp_path: Path, command: list[str]
) -> None:
    mark, queue = tmp_path / "ran", own.services.job_queue.queue
    theirs = planted(mark, 1)
    plant(redis, queue, theirs)
    tenant = own.create()
    output, _ = run(command, own)
    assert not mark.exists(), output
    assert own.row(tenant).state == "ready", output
    assert failed_in(redis, queue) == set(theirs)
    for job_id, fields in theirs.items():
        assert f"{ONE} and {CHUNK} alone" in reason_of(redis, job_id)
        left = redis.hgetall(Job.key_for(job_id))
        assert left[b"status"] == b"failed", job_id
        assert {name: left[name.encode()] for name in fields} == {
            name: str(value).encode() if not isinstance(value, bytes) else value
            for name, value in fields.items()
        }, job_id
        assert redis.ttl(Job.key_for(job_id)) == -1


def test_a_pool_is_refused_since_its_processes_read_no_configuration(own: Product) -> None:
    pool = [str(BIN / "rq"), "worker-pool", "-c", "jobs.worker", "-n", "2"]
    output, code = run(pool, own)
    assert (code, "flask worker" in output) == (2, True)


ODD_ARGUMENTS: list[Any] = [
    *(["1", 1], [True, 1], [1.0, 1], [1], [1, 1, 1], [10**16, 1], [-1, 1], [1, 2**40], [2, 1]),
    *([[1], 1], [None, None], {"tenant_id": 1}, "11", None),
]


def test_odd_arguments_are_refused_when_function_and_id_are_ours(
    own: Product, redis: Redis
) -> None:
    jobs = {
        f"t1-g1-d{n}": {"data": json.dumps([ONE, None, args, {}]).encode()}
        for n, args in enumerate(ODD_ARGUMENTS)
    }
    plant(redis, own.services.job_queue.queue, jobs)
    own.work()
    for job_id in jobs:
        assert "its arguments are not as we write them" in reason_of(redis, job_id)


UNREADABLE = {
    "bytes": b"\xff\xfe",
    "empty": b"",
    "deep": b"[" * 90_000,
    "short": json.dumps([ONE, None, [9, 1]]).encode(),
    "keywords": json.dumps([ONE, None, [9, 1], {"tenant_id": 2}]).encode(),
    "instance": json.dumps([ONE, "os", [9, 1], {}]).encode(),
    "inflated": zlib.compress(b" " * 50_000_000),
    "long": b"[" + b"9" * 5000 + b"]",
}


def test_the_next_job_is_taken_when_others_cannot_be_read(own: Product, redis: Redis) -> None:
    jobs = {f"t9-g1-d{n}": {"data": data} for n, data in enumerate(UNREADABLE.values())}
    jobs["t9-g1-d99"] = {"data": call(ONE, 9, 1), "created_at": b"\xff"}
    plant(redis, own.services.job_queue.queue, jobs)
    tenant = own.create()
    own.work()
    assert own.row(tenant).state == "ready"
    for job_id in jobs:
        assert "Not run:" in reason_of(redis, job_id)


def test_the_next_job_is_taken_when_an_id_or_a_key_is_odd(own: Product, redis: Redis) -> None:
    queue = own.services.job_queue.queue
    odd = ["a b", "../x", "x" * 10_000, "t0-g1-d1", "t1-g1-d1\n", "chunk-", "ü"]
    plant(redis, queue, {job_id: {"data": call("os.getcwd")} for job_id in odd})
    redis.set(Job.key_for("t7-g1-d1"), "no hash")
    redis.rpush(queue.key, b"\xff\xfe", "t7-g1-d1", "t8-g1-d1")
    redis.hset(b"rq:job:\xff\xfe", "data", "x")
    tenant = own.create()
    own.work()
    assert own.row(tenant).state == "ready"
    assert failed_in(redis, queue) == {*odd, "t7-g1-d1"}
    assert redis.hgetall(b"rq:job:\xff\xfe") == {b"data": b"x"}
    assert redis.get(Job.key_for("t7-g1-d1")) == b"no hash"


def test_nothing_is_called_when_a_job_of_ours_names_callbacks(
    own: Product, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    monkeypatch.setattr("rq.job.import_attribute", called.append)
    monkeypatch.setattr("rq.webhook.urlopen", lambda *_, **__: called.append("webhook"))
    tenant = own.create()
    everything = planted(tmp_path / "ran", tenant.id)["with-everything"]
    extra = {name: value for name, value in everything.items() if name != "data"}
    redis.hset(Job.key_for(f"t{tenant.id}-g1-d1"), mapping=extra)
    dependents = f"rq:job:t{tenant.id}-g1-d1:dependents"
    redis.sadd(dependents, b"\xff", "with-everything")
    own.work()
    assert own.row(tenant).state == "ready"
    assert called == []
    assert redis.smembers(dependents) == {b"\xff", b"with-everything"}
    assert not (tmp_path / "ran").exists()


def test_abandoned_jobs_of_others_stay_when_the_worker_tidies_up(
    own: Product, redis: Redis, tmp_path: Path
) -> None:
    """RQ's own maintenance calls their failure callbacks, and forgets them."""
    queue, past = own.services.job_queue.queue, time.time() - 60
    theirs = planted(tmp_path / "ran", 1)["with-everything"] | {"status": "started"}
    redis.hset(Job.key_for("theirs"), mapping={**theirs, "origin": queue.name})
    started_key, finished_key, failed_key = (
        registry(queue=queue).key
        for registry in (StartedJobRegistry, FinishedJobRegistry, FailedJobRegistry)
    )
    ours = {"data": call(ONE, 5, 1), "status": "started", "origin": queue.name}
    redis.hset(Job.key_for("t5-g1-d1"), mapping=ours)
    redis.zadd(started_key, {"theirs:1": past, "t5-g1-d1:1": past, b"\xff": past, "t6": past})
    redis.zadd(finished_key, {"their-finished": past, "t9-g1-d1": past})
    redis.zadd(failed_key, {"their-failed": past, "t9-g1-d2": past})
    redis.sadd("rq:groups", b"\xff")
    redis.sadd(f"rq:workers:{queue.name}", b"\xff")
    own.work()
    assert set(redis.zrange(started_key, 0, -1)) == {b"theirs:1", b"\xff", b"t6"}
    assert redis.zrange(finished_key, 0, -1) == [b"their-finished"]
    assert set(redis.zrange(failed_key, 0, -1)) == {b"their-failed", b"t5-g1-d1"}
    assert "died or stalled" in reason_of(redis, "t5-g1-d1")
    assert redis.hget(Job.key_for("theirs"), "status") == b"started"
    assert not (tmp_path / "ran").exists()


def test_the_application_on_the_same_queue_keeps_its_job_when_it_requeues_it(
    own: Product, redis: Redis
) -> None:
    theirs = Queue(own.settings.partition_queue, connection=redis)
    job = theirs.enqueue("os.path.basename", "/a/b", failure_ttl=60)
    own.work()
    assert job.get_status() == "failed"
    again = FailedJobRegistry(queue=theirs).requeue(job.id)
    assert (again.func_name, list(again.args)) == ("os.path.basename", ["/a/b"])


def test_commands_are_heard_when_one_before_was_garbage(
    own: Product, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    monkeypatch.setattr("rq.command.handle_stop_job_command", lambda *told: heard.append(told[1]))
    worker = queue_worker(own.settings)
    worker.subscribe()
    for garbage in (b"\xff", b"[]", b"7", b"{}", b'{"command": ["x"]}', b'{"command": null}'):
        redis.publish(worker.pubsub_channel_name, garbage)
    redis.publish(worker.pubsub_channel_name, '{"command": "stop-job"}')
    wait_until(lambda: heard, 10, "the command to be heard")
    worker.unsubscribe()
    assert len(heard) == 1


def test_pymilvus_waits_for_redis_when_a_worker_starts(simple: Product) -> None:
    """Without Redis it is started again and again; to load pymilvus is half of each start."""
    result = runner(simple.without_redis())("worker", "--burst")
    assert isinstance(result.exception, RedisError)
    assert "jobs.worker" not in sys.modules


def test_nothing_is_said_when_nothing_happens(own: Product) -> None:
    """One line that it works; none for each look after what has expired."""
    output, _ = run(WORKERS["flask worker"], own)
    events = [json.loads(line)["event"] for line in output.splitlines()]
    assert events == ["worker.started"]
