"""The job queues and workers in Redis, for pages and commands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.job import Job
from rq.suspension import WORKERS_SUSPENDED

from webapp.db.safe_methods import Note, noting
from webapp.db.types import utc_now
from webapp.queue.job_ids import job_info_of
from webapp.queue.job_queue import JobQueue
from webapp.queue.models import Board, Others, QueueInfo, WorkerInfo
from webapp.queue.own_jobs import APPLICATION, APPLICATION_FIELD, is_own_id
from webapp.queue.redis_writes import WRITE, Refusal, refusal_in

# RQ's set of workers; each member is the key of a worker's hash.
WORKERS = "rq:workers"
WORKER_FIELDS = ("state", "last_heartbeat", "birth", "queues", "death", APPLICATION_FIELD)
EXECUTION = "rq:execution:{}"
# Where jobs of others are looked for, and how many entries of each are read.
REGISTRIES = ("rq:failed:{}", "rq:wip:{}", "rq:scheduled:{}", "rq:deferred:{}")
HEAD, SAMPLE = 1000, 200


def look(job_queue: JobQueue) -> Board:
    """The present queues and workers, in at most three round trips, the first with a write.

    A Redis that does not answer gives `answers=False`, and raises nothing.
    """
    try:
        return _look(job_queue)
    except (RedisError, OSError):
        return Board(answers=False)


def _look(job_queue: JobQueue) -> Board:
    queues = (job_queue.queue, job_queue.backfill_queue)
    suspended, keys, refusal, seen = _ask_first(job_queue.connection, queues)
    known = sorted(_text(key) or "" for key in _list(keys))
    answers = _ask(
        job_queue.connection,
        [
            *(("HGET", Job.key_for(each.oldest or "-"), "enqueued_at") for each in seen),
            *(("HMGET", key, *WORKER_FIELDS) for key in known),
            *(("SMEMBERS", f"{key}:executions") for key in known),
        ],
    )
    moments, rest = answers[: len(seen)], answers[len(seen) :]
    hashes, in_hand = rest[: len(known)], rest[len(known) :]
    workers = [_worker(key, values) for key, values in zip(known, hashes, strict=True)]
    ours = [(each, jobs) for each, jobs in zip(workers, in_hand, strict=True) if each]
    return Board(
        answers=True,
        queues=[
            QueueInfo(q.name, each.ours, _waited(at), is_backfill=q is job_queue.backfill_queue)
            for q, each, at in zip(queues, seen, moments, strict=True)
        ],
        workers=_with_jobs(job_queue.connection, ours),
        suspended=suspended == 1,
        refusal=refusal,
        others=Others(
            waiting=sum(each.theirs for each in seen),
            kept=sum(each.kept for each in seen),
            workers=sum(_is_rival(values, queues) for values in hashes),
        ),
    )


def _ask_first(
    connection: Redis, queues: Sequence[Queue]
) -> tuple[Any, Any, Refusal | None, list["_QueueState"]]:
    questions = [list(_questions(queue)) for queue in queues]
    with noting(Note.REDIS_ASKED):
        suspended, keys, *rest = _ask(
            connection,
            [
                ("EXISTS", WORKERS_SUSPENDED),
                ("SMEMBERS", WORKERS),
                *WRITE,
                *(question for each in questions for question in each),
            ],
        )
    refusal = refusal_in(rest[: len(WRITE)])
    if refusal is Refusal.READ_ONLY:
        # After a failover, open connections still lead to the old server.
        connection.connection_pool.disconnect(inuse_connections=False)
    answers = iter(rest[len(WRITE) :])
    return (
        suspended,
        keys,
        refusal,
        [_summarize(list(islice(answers, len(each)))) for each in questions],
    )


def _questions(queue: Queue) -> Iterable[tuple[Any, ...]]:
    yield "LLEN", queue.key
    yield "LRANGE", queue.key, 0, HEAD - 1
    for registry in REGISTRIES:
        yield "ZRANGE", registry.format(queue.name), 0, SAMPLE - 1


@dataclass(frozen=True)
class _QueueState:
    """Our waiting jobs in a queue, and others' in it and in its registries."""

    ours: int
    theirs: int
    oldest: str | None
    kept: int


def _summarize(answers: Sequence[Any]) -> _QueueState:
    length, head, *registries = answers
    own = [job_id.decode() for job_id in _list(head) if is_own_id(job_id)]
    theirs = len(_list(head)) - len(own)
    kept = [entry.partition(b":")[0] for entries in registries for entry in _list(entries)]
    return _QueueState(
        ours=max(0, (length if isinstance(length, int) else 0) - theirs),
        theirs=theirs,
        oldest=own[0] if own else None,
        kept=sum(not is_own_id(job_id) for job_id in kept),
    )


def _is_rival(values: Any, queues: Iterable[Queue]) -> bool:
    """Whether a worker of another application takes jobs from one of our queues."""
    if not _list(values) or _is_ours(values) or values[4]:
        return False
    takes_from = (_text(values[3]) or "").split(",")
    return any(queue.name in takes_from for queue in queues)


def _is_ours(values: Sequence[bytes | None]) -> bool:
    return values[-1] == APPLICATION.encode()


def _ask(connection: Redis, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The answers, in order; a refused command (a key of another kind) gives its error."""
    if not commands:
        return []
    pipeline = connection.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
    answers: list[Any] = pipeline.execute(raise_on_error=False)
    return answers


def _list(answer: Any) -> list[Any]:
    """The members of a list or set; none where the answer is an error."""
    return list(answer) if isinstance(answer, list | set) else []


def _worker(key: str, values: Any) -> WorkerInfo | None:
    """Our worker of this hash; None for another's, and for one that is gone."""
    if not _list(values) or not _is_ours(values):
        return None
    state, heartbeat, birth, queues, death, _application = (_text(value) for value in values)
    if state is None or death:
        return None
    return WorkerInfo(
        name=key.rpartition(":")[2],
        state=state,
        queues=(queues or "").replace(",", ", "),
        job_id=None,
        since=_moment(birth),
        heartbeat=_moment(heartbeat),
    )


def _with_jobs(connection: Redis, workers: Sequence[tuple[WorkerInfo, Any]]) -> list[WorkerInfo]:
    """The workers, each busy one with its job and since when.

    RQ keeps their executions as `job:execution`; those of dead workers have no key.
    """
    in_hand = [sorted(_text(each) or "" for each in _list(jobs))[:1] for _, jobs in workers]
    keys = [key for keys in in_hand for key in keys]
    answers = _ask(
        connection,
        [
            *(("HGET", EXECUTION.format(key), "created_at") for key in keys),
            *(("HGET", Job.key_for(_job_id(key)), "description") for key in keys),
        ],
    )
    executions = dict(zip(keys, zip(answers, answers[len(keys) :], strict=False), strict=True))
    return [
        _busy(worker, keys[0], *executions[keys[0]]) if keys else worker
        for (worker, _), keys in zip(workers, in_hand, strict=True)
    ]


def _busy(worker: WorkerInfo, key: str, began: Any, description: Any) -> WorkerInfo:
    if not isinstance(began, bytes):
        return worker
    job = job_info_of(_job_id(key), _text(description) or "")
    return replace(worker, job_id=job.id, since=_stamp(began), job=job)


def _job_id(key: str) -> str:
    return key.rpartition(":")[0]


def _stamp(seconds: bytes) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _waited(enqueued: Any) -> float | None:
    moment = _moment(_text(enqueued))
    return max(0.0, (utc_now() - moment).total_seconds()) if moment else None


def _text(value: Any) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else None


def _moment(text: str | None) -> datetime | None:
    """A moment as RQ writes it; None for anything else, since others can write to Redis."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
