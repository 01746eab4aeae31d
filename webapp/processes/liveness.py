"""Which processes work, and which are silent, by their last signs of life."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.db.types import utc_now
from webapp.models.process import Process, ProcessKind
from webapp.queue.redis_writes import Refusal

# Two beats and some time for a slow machine: with the beats of five seconds, a death is seen
# within 20 s.
SILENT_AFTER = timedelta(seconds=15)
# A silent process that was not replaced is shown this long.
FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class Seen:
    """One process as it was last seen."""

    name: str
    kind: ProcessKind
    host: str
    pid: int
    release: str
    settings: str
    started_at: datetime
    seen_at: datetime
    activity: str | None
    active_since: datetime | None
    redis: str
    redis_since: datetime

    @property
    def is_silent(self) -> bool:
        return utc_now() - self.seen_at > SILENT_AFTER

    @property
    def refusal(self) -> Refusal | None:
        """Why Redis takes no writes of this process; None where it does, or does not answer."""
        return Refusal(self.redis) if self.redis in set(Refusal) else None


@dataclass(frozen=True)
class Processes:
    """The processes that work, and the silent ones that no later start has replaced."""

    alive: Sequence[Seen]
    silent: Sequence[Seen]

    def of(self, kind: ProcessKind) -> Sequence[Seen]:
        """The working processes of this kind."""
        return [each for each in self.alive if each.kind == kind]

    def silent_of(self, kind: ProcessKind) -> Sequence[Seen]:
        return [each for each in self.silent if each.kind == kind]


def processes(session: Session) -> Processes:
    """All processes of the last hour; one query, bounded by their number."""
    rows = session.scalars(select(Process).order_by(Process.kind, Process.started_at))
    return split([Seen(**{name: getattr(row, name) for name in _FIELDS}) for row in rows])


def split(seen: Sequence[Seen]) -> Processes:
    """Each start of a process replaces one of its kind whose last sign of life is older.

    A process that replaced another one may be silent itself, and be replaced in its turn.
    """
    starts = sorted(seen, key=lambda each: each.started_at)
    silent = []
    for lost in sorted((each for each in seen if each.is_silent), key=lambda each: each.seen_at):
        successors = (
            each for each in starts if each.kind == lost.kind and each.started_at > lost.seen_at
        )
        if successor := next(successors, None):
            starts.remove(successor)
        else:
            silent.append(lost)
    return Processes([each for each in seen if not each.is_silent], silent)


_FIELDS = tuple(Seen.__dataclass_fields__)
