"""The job queues and workers as Redis shows them, for people to look at."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import as_text
from rq.worker.base import BaseWorker

from webapp.database import utc_now
from webapp.tenants.dispatch import Doorbell

# A worker at rest beats every half minute; silent for longer than this it is doubtful.
SILENT_AFTER_S = 120


@dataclass(frozen=True)
class QueueFigures:
    """One queue's length, and for how long its oldest job has waited."""

    name: str
    length: int
    oldest_s: float | None


@dataclass(frozen=True)
class WorkerFigures:
    """One worker: what it does, and when it was last heard of."""

    name: str
    state: str
    queues: str
    job_id: str | None
    since: datetime | None
    heartbeat: datetime | None

    @property
    def is_silent(self) -> bool:
        """True when its last sign of life is too old to trust."""
        if self.heartbeat is None:
            return True
        return (utc_now() - self.heartbeat).total_seconds() > SILENT_AFTER_S


@dataclass(frozen=True)
class Board:
    """Queues and workers at one moment; `answers` is false where Redis gave none."""

    answers: bool
    queues: list[QueueFigures] = field(default_factory=list)
    workers: list[WorkerFigures] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """How many jobs wait in all queues together."""
        return sum(queue.length for queue in self.queues)

    @property
    def oldest_s(self) -> float | None:
        """For how long the oldest waiting job has waited, in seconds."""
        return max((q.oldest_s for q in self.queues if q.oldest_s is not None), default=None)

    @property
    def busy(self) -> int:
        """How many workers have a job in hand."""
        return sum(worker.job_id is not None for worker in self.workers)


def look(doorbell: Doorbell) -> Board:
    """Queues and workers now. A Redis that does not answer is told, never raised."""
    try:
        return Board(
            answers=True,
            queues=[_queue(queue) for queue in (doorbell.queue, doorbell.backfill_queue)],
            workers=_workers(doorbell),
        )
    except (RedisError, OSError):
        return Board(answers=False)


def _queue(queue: Queue) -> QueueFigures:
    pipeline = queue.connection.pipeline(transaction=False)
    pipeline.llen(queue.key)
    pipeline.lindex(queue.key, 0)
    length, first = pipeline.execute()
    return QueueFigures(queue.name, length, _waited(queue, first) if first else None)


def _waited(queue: Queue, job_id: bytes) -> float | None:
    enqueued = _moment_of(queue.connection, job_id.decode(), "enqueued_at")
    return max(0.0, (utc_now() - enqueued).total_seconds()) if enqueued else None


def _moment_of(connection: Redis, job_id: str, field_name: str) -> datetime | None:
    written = connection.hget(Job.key_for(job_id), field_name)
    return datetime.fromisoformat(as_text(written)) if written else None


def _workers(doorbell: Doorbell) -> list[WorkerFigures]:
    found = Worker.all(connection=doorbell.connection, serializer=JSONSerializer)
    return sorted((_worker(worker) for worker in found), key=lambda worker: worker.name)


def _worker(worker: BaseWorker) -> WorkerFigures:
    job_id = worker.get_current_job_id()
    since = worker.birth_date
    if job_id:
        since = _moment_of(worker.connection, job_id, "started_at")
    return WorkerFigures(
        name=worker.name,
        state=str(getattr(worker.get_state(), "value", worker.get_state())),
        queues=", ".join(worker.queue_names()),
        job_id=job_id,
        since=_aware(since),
        heartbeat=_aware(worker.last_heartbeat),
    )


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo:
        return moment
    return moment.replace(tzinfo=UTC)
