"""Queues and their jobs at one moment, as pages show them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from webapp.queue.job_ids import JobInfo
from webapp.queue.redis_writes import Refusal


@dataclass(frozen=True)
class QueueInfo:
    """Our waiting jobs of one queue, and the age of the oldest in seconds."""

    name: str
    length: int
    oldest_s: float | None
    is_backfill: bool = False


@dataclass(frozen=True)
class JobInHand:
    """A job that a worker has begun, and when."""

    job: JobInfo
    since: datetime | None


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
    """Our queues at one moment; `answers` is false when Redis did not answer.

    `in_hand`: the jobs that have begun, by the name of the worker. `refusal`: why Redis takes no
    writes.
    """

    answers: bool
    queues: list[QueueInfo] = field(default_factory=list)
    in_hand: Mapping[str, JobInHand] = field(default_factory=dict)
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
        """How many workers have a job in hand."""
        return len(self.in_hand)
