"""Queues and workers at one moment, as pages show them."""

from dataclasses import dataclass, field
from datetime import datetime

from rq.worker import WorkerStatus

from webapp.db.types import utc_now
from webapp.queue.job_ids import JobInfo
from webapp.queue.redis_writes import Refusal

# An idle worker sends a heartbeat every 30 s.
SILENT_AFTER_S = 120


@dataclass(frozen=True)
class QueueInfo:
    """Our waiting jobs of one queue, and the age of the oldest in seconds."""

    name: str
    length: int
    oldest_s: float | None
    is_backfill: bool = False


@dataclass(frozen=True)
class WorkerInfo:
    """One worker: its state and job, since when, and its last heartbeat."""

    name: str
    state: str
    queues: str
    since: datetime | None
    heartbeat: datetime | None
    job: JobInfo | None = None

    @property
    def is_busy(self) -> bool:
        """True when it has a job, or is about to start one."""
        return self.job is not None or self.state == WorkerStatus.BUSY

    @property
    def is_silent(self) -> bool:
        """True when its last heartbeat is older than `SILENT_AFTER_S`, or missing."""
        if self.heartbeat is None:
            return True
        return (utc_now() - self.heartbeat).total_seconds() > SILENT_AFTER_S


@dataclass(frozen=True)
class Others:
    """Jobs and workers on our queues that are not ours; counted up to a bound."""

    waiting: int = 0
    # Failed, started, scheduled and deferred ones.
    kept: int = 0
    workers: int = 0

    def __bool__(self) -> bool:
        return bool(self.waiting or self.kept or self.workers)


@dataclass(frozen=True)
class Board:
    """Our queues and workers at one moment; `answers` is false when Redis did not answer.

    `suspended`: RQ's workers were told to take no jobs (`rq suspend`); this is not our pause.
    `refusal`: why Redis takes no writes.
    """

    answers: bool
    queues: list[QueueInfo] = field(default_factory=list)
    workers: list[WorkerInfo] = field(default_factory=list)
    suspended: bool = False
    refusal: Refusal | None = None
    others: Others = Others()

    @property
    def waiting(self) -> int:
        """Waiting jobs of all queues."""
        return sum(queue.length for queue in self.queues)

    @property
    def oldest_s(self) -> float | None:
        return max((q.oldest_s for q in self.queues if q.oldest_s is not None), default=None)

    @property
    def busy(self) -> int:
        return sum(worker.is_busy for worker in self.workers)

    @property
    def silent(self) -> int:
        """Workers without a recent heartbeat."""
        return sum(worker.is_silent for worker in self.workers)
