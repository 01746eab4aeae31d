"""The job queues in Redis, for pages and commands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.job import Job
from rq.worker_registration import REDIS_WORKER_KEYS

from webapp.db.safe_methods import Note, noting
from webapp.db.types import utc_now
from webapp.queue.job_ids import job_info_of
from webapp.queue.job_queue import JobQueue
from webapp.queue.models import Board, JobInHand, Others, QueueInfo
from webapp.queue.own_jobs import APPLICATION, APPLICATION_FIELD, is_own_id
from webapp.queue.redis_writes import WRITE, Refusal, refusal_in

WORKER_FIELDS = ("queues", "death", APPLICATION_FIELD)
JOB_FIELDS = ("worker_name", "started_at", "description")
# How many entries of each queue and registry are read.
READ_AT_MOST = 1000


def look(job_queue: JobQueue) -> Board:
    """The present queues, in two round trips, the first with a write.

    A Redis that does not answer gives `answers=False`, and raises nothing.
    """
    try:
        return _look(job_queue)
    except (RedisError, OSError):
        return Board(answers=False)


def _look(job_queue: JobQueue) -> Board:
    queues = (job_queue.queue, job_queue.backfill_queue)
    members, refusal, seen = _ask_first(job_queue.connection, queues)
    keys = sorted(_text(key) or "" for key in _list(members))
    started = [job_id for each in seen for job_id in each.started]
    answers = iter(
        _ask(
            job_queue.connection,
            [
                *(("HGET", Job.key_for(each.oldest or "-"), "enqueued_at") for each in seen),
                *(("HMGET", key, *WORKER_FIELDS) for key in keys),
                *(("HMGET", Job.key_for(job_id), *JOB_FIELDS) for job_id in started),
            ],
        )
    )
    moments, hashes = (list(islice(answers, len(each))) for each in (seen, keys))
    in_hand = dict(map(_in_hand, started, answers))
    return Board(
        answers=True,
        queues=[
            QueueInfo(q.name, each.ours, _waited(at), is_backfill=q is job_queue.backfill_queue)
            for q, each, at in zip(queues, seen, moments, strict=True)
        ],
        in_hand={worker: each for worker, each in in_hand.items() if worker},
        refusal=refusal,
        others=Others(
            waiting=sum(each.theirs for each in seen),
            kept=sum(each.kept for each in seen),
            workers=sum(_is_rival(values, queues) for values in hashes),
        ),
    )


def _ask_first(
    connection: Redis, queues: Sequence[Queue]
) -> tuple[Any, Refusal | None, list["_QueueState"]]:
    questions = [list(_questions(queue)) for queue in queues]
    with noting(Note.REDIS_ASKED):
        members, *rest = _ask(
            connection,
            [
                ("SMEMBERS", REDIS_WORKER_KEYS),
                *WRITE,
                *(question for each in questions for question in each),
            ],
        )
    refusal = refusal_in(rest[: len(WRITE)])
    if refusal is Refusal.READ_ONLY:
        # After a failover, open connections still lead to the old server.
        connection.connection_pool.disconnect(inuse_connections=False)
    answers = iter(rest[len(WRITE) :])
    states = [_summarize(list(islice(answers, len(each)))) for each in questions]
    return members, refusal, states


def _questions(queue: Queue) -> Iterable[tuple[Any, ...]]:
    yield "LLEN", queue.key
    yield "LRANGE", queue.key, 0, READ_AT_MOST - 1
    for registry in (
        queue.started_job_registry,
        queue.failed_job_registry,
        queue.scheduled_job_registry,
        queue.deferred_job_registry,
    ):
        yield "ZRANGE", registry.key, 0, READ_AT_MOST - 1


@dataclass(frozen=True)
class _QueueState:
    """Our waiting and started jobs of a queue, and others' in it and in its registries."""

    ours: int
    oldest: str | None
    started: list[str]
    theirs: int
    kept: int


def _summarize(answers: Sequence[Any]) -> _QueueState:
    length, head, *registries = answers
    own = _own(_list(head))
    theirs = len(_list(head)) - len(own)
    # An entry of the started ones is `job:execution`.
    started, *rest = ([each.partition(b":")[0] for each in _list(ids)] for ids in registries)
    return _QueueState(
        ours=max(0, (length if isinstance(length, int) else 0) - theirs),
        oldest=own[0] if own else None,
        started=_own(started),
        theirs=theirs,
        kept=sum(len(ids) - len(_own(ids)) for ids in (started, *rest)),
    )


def _own(job_ids: Iterable[bytes]) -> list[str]:
    return [job_id.decode() for job_id in job_ids if is_own_id(job_id)]


def _is_rival(values: Any, queues: Iterable[Queue]) -> bool:
    """Whether a worker of another application takes jobs from one of our queues."""
    if not _list(values):
        return False
    queue_names, death, application = values
    if death or application == APPLICATION.encode():
        return False
    takes_from = (_text(queue_names) or "").split(",")
    return any(queue.name in takes_from for queue in queues)


def _ask(connection: Redis, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The answers, in order; a refused command (a key of another kind) gives its error."""
    pipeline = connection.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
    answers: list[Any] = pipeline.execute(raise_on_error=False)
    return answers


def _list(answer: Any) -> list[Any]:
    """The members of a list or set; none where the answer is an error."""
    return list(answer) if isinstance(answer, list | set) else []


def _in_hand(job_id: str, values: Any) -> tuple[str | None, JobInHand]:
    """The worker of a started job, and the job with the moment of its start."""
    worker, started_at, description = map(_text, _list(values) or [None] * len(JOB_FIELDS))
    return worker, JobInHand(job_info_of(job_id, description or ""), moment_of(started_at))


def _waited(enqueued: Any) -> float | None:
    moment = moment_of(_text(enqueued))
    return max(0.0, (utc_now() - moment).total_seconds()) if moment else None


def _text(value: Any) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else None


def moment_of(text: str | None) -> datetime | None:
    """A moment as RQ writes it; None for anything else, since others can write to Redis."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
