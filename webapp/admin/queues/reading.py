"""The job queues and workers as Redis shows them, for people to look at."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job
from rq.suspension import WORKERS_SUSPENDED

from webapp.admin.queues.board import Board, QueueFigures, WorkerFigures
from webapp.admin.queues.jobs import told_of
from webapp.database import utc_now
from webapp.tenants.dispatch import Doorbell

# Where RQ registers its workers, each member being the key of a worker's own hash.
WORKERS = "rq:workers"
WORKER_FIELDS = ("state", "last_heartbeat", "birth", "queues", "death")
EXECUTION = "rq:execution:{}"


def look(doorbell: Doorbell) -> Board:
    """Queues and workers now. A Redis that does not answer is told, never raised.

    At most three questions to Redis, however many jobs wait and workers run.
    """
    try:
        return _look(doorbell)
    except (RedisError, OSError):
        return Board(answers=False)


def _look(doorbell: Doorbell) -> Board:
    queues = (doorbell.queue, doorbell.backfill_queue)
    suspended, keys, *ends = _ask(
        doorbell.connection,
        [
            ("EXISTS", WORKERS_SUSPENDED),
            ("SMEMBERS", WORKERS),
            *((command, *rest) for q in queues for command, *rest in _ends(q.key)),
        ],
    )
    heads = [_text(head) for head in ends[1::2]]
    known = sorted(_text(key) or "" for key in keys)
    answers = _ask(
        doorbell.connection,
        [
            *(("HGET", Job.key_for(head or "-"), "enqueued_at") for head in heads),
            *(("HMGET", key, *WORKER_FIELDS) for key in known),
            *(("SMEMBERS", f"{key}:executions") for key in known),
        ],
    )
    moments, told = answers[: len(heads)], answers[len(heads) :]
    hashes, in_hand = told[: len(known)], told[len(known) :]
    workers = [_worker(key, values) for key, values in zip(known, hashes, strict=True)]
    there = [(each, jobs) for each, jobs in zip(workers, in_hand, strict=True) if each]
    figures = zip(queues, ends[::2], moments, strict=True)
    return Board(
        answers=True,
        queues=[
            QueueFigures(q.name, length, _waited(at), is_backfill=q is doorbell.backfill_queue)
            for q, length, at in figures
        ],
        workers=_with_jobs(doorbell.connection, there),
        suspended=bool(suspended),
    )


def _ends(key: str) -> Iterable[tuple[Any, ...]]:
    return ("LLEN", key), ("LINDEX", key, 0)


def _ask(connection: Redis, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    if not commands:
        return []
    pipeline = connection.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
    answers: list[Any] = pipeline.execute()
    return answers


def _worker(key: str, values: Sequence[bytes | None]) -> WorkerFigures | None:
    """The worker of this hash; None for one that is gone, and whose key alone is left."""
    state, heartbeat, birth, queues, death = (_text(value) for value in values)
    if state is None or death:
        return None
    return WorkerFigures(
        name=key.rpartition(":")[2],
        state=state,
        queues=(queues or "").replace(",", ", "),
        job_id=None,
        since=_moment(birth),
        heartbeat=_moment(heartbeat),
    )


def _with_jobs(
    connection: Redis, workers: Sequence[tuple[WorkerFigures, Iterable[bytes]]]
) -> list[WorkerFigures]:
    """The workers, those that have a job in hand with what it is and since when.

    RQ keeps a set for each worker of what it executes, as `job:execution`; of one that died, what
    is left in it leads to nothing.
    """
    in_hand = [sorted(_text(each) or "" for each in jobs)[:1] for _, jobs in workers]
    keys = [key for keys in in_hand for key in keys]
    answers = _ask(
        connection,
        [
            *(("HGET", EXECUTION.format(key), "created_at") for key in keys),
            *(("HGET", Job.key_for(_job_id(key)), "description") for key in keys),
        ],
    )
    found = dict(zip(keys, zip(answers, answers[len(keys) :], strict=False), strict=True))
    return [
        _busy(worker, keys[0], *found[keys[0]]) if keys else worker
        for (worker, _), keys in zip(workers, in_hand, strict=True)
    ]


def _busy(
    worker: WorkerFigures, key: str, began: bytes | None, description: bytes | None
) -> WorkerFigures:
    if began is None:
        return worker
    job = told_of(_job_id(key), _text(description) or "")
    return replace(worker, job_id=job.id, since=_stamp(began), job=job)


def _job_id(key: str) -> str:
    return key.rpartition(":")[0]


def _stamp(seconds: bytes) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _waited(enqueued: bytes | None) -> float | None:
    moment = _moment(_text(enqueued))
    return max(0.0, (utc_now() - moment).total_seconds()) if moment else None


def _text(value: bytes | None) -> str | None:
    return value.decode(errors="replace") if value is not None else None


def _moment(written: str | None) -> datetime | None:
    """A moment as RQ writes it; None for what is none, since others write to Redis too."""
    try:
        moment = datetime.fromisoformat(written or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
