"""Queues and workers at one moment, as pages show them."""

from dataclasses import dataclass, field
from datetime import datetime

from rq.worker import WorkerStatus

from webapp.db.types import utc_now
from webapp.queue.job_ids import JobInfo
from webapp.queue.redis_writes import Refusal

# A worker at rest beats every half minute; silent for longer than this it is doubtful.
SILENT_AFTER_S = 120


@dataclass(frozen=True)
class QueueInfo:
    """How many of our jobs wait in a queue, and for how long the oldest has."""

    name: str
    length: int
    oldest_s: float | None
    is_backfill: bool = False


@dataclass(frozen=True)
class WorkerInfo:
    """One worker: what it does, since when, and when it was last heard of."""

    name: str
    state: str
    queues: str
    job_id: str | None
    since: datetime | None
    heartbeat: datetime | None
    job: JobInfo | None = None

    @property
    def is_busy(self) -> bool:
        """True when it has a job in hand, or is about to."""
        return self.job_id is not None or self.state == WorkerStatus.BUSY

    @property
    def is_silent(self) -> bool:
        """True when its last sign of life is too old to trust."""
        if self.heartbeat is None:
            return True
        return (utc_now() - self.heartbeat).total_seconds() > SILENT_AFTER_S


@dataclass(frozen=True)
class Others:
    """What another application, or nobody we know of, has on our queues; counted to a bound."""

    waiting: int = 0
    # Failed, started, scheduled and deferred ones.
    kept: int = 0
    workers: int = 0

    def __bool__(self) -> bool:
        return bool(self.waiting or self.kept or self.workers)


@dataclass(frozen=True)
class Board:
    """Our queues and workers at one moment; `answers` is false where Redis gave none.

    `suspended`: somebody told RQ's workers to take no jobs (`rq suspend`), which is no pause of
    ours. `refusal`: why Redis takes no writes, where it takes none.
    """

    answers: bool
    queues: list[QueueInfo] = field(default_factory=list)
    workers: list[WorkerInfo] = field(default_factory=list)
    suspended: bool = False
    refusal: Refusal | None = None
    others: Others = Others()

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
        return sum(worker.is_busy for worker in self.workers)

    @property
    def silent(self) -> int:
        """How many workers have given no sign of life for too long."""
        return sum(worker.is_silent for worker in self.workers)
