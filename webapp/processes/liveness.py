"""Which processes work, and which are silent, by their last signs of life."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.db.types import utc_now
from webapp.models.process import Process, ProcessKind
from webapp.processes.gaps import Gap, last_gap
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
    # Its last sign, or the end of a gap in which none could show itself.
    heard_at: datetime

    @property
    def is_silent(self) -> bool:
        return utc_now() - self.heard_at > SILENT_AFTER

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
    """All processes of the last hour; two queries, bounded by their number."""
    gap = last_gap(session)
    return split([_seen(row, gap) for row in session.scalars(_ROWS)])


def _seen(row: Process, gap: Gap | None) -> Seen:
    values = {name: getattr(row, name) for name in _FIELDS}
    heard_at = gap.heard_at(row.seen_at, SILENT_AFTER) if gap else row.seen_at
    return Seen(**values, heard_at=heard_at)


def split(seen: Sequence[Seen]) -> Processes:
    """Each start of a process replaces one of its kind whose last sign of life is older.

    A process that replaced another one may be silent itself, and be replaced in its turn.
    """
    lost = [each for each in seen if each.is_silent]
    replaced = _successors(lost, seen)
    silent = [each for each in sorted(lost, key=_seen_at) if each.name not in replaced]
    return Processes([each for each in seen if not each.is_silent], silent)


def replaced_by(session: Session, name: str) -> list[str]:
    """The process that this one replaced, the one which that one had replaced, and so on.

    Those that gave no sign since a later one began; one that is alive all the same shows itself
    again with its next beat.
    """
    seen = [_seen(row, None) for row in session.scalars(_ROWS)]
    lost = [each for each in seen if any(_may_replace(other, each) for other in seen)]
    replaced = {successor.name: name for name, successor in _successors(lost, seen).items()}
    names = []
    while name in replaced:
        names.append(name := replaced[name])
    return names


def _successors(lost: Iterable[Seen], seen: Sequence[Seen]) -> dict[str, Seen]:
    """By the name of each that was replaced: the process that did."""
    starts = sorted(seen, key=lambda each: each.started_at)
    successors = {}
    for each in sorted(lost, key=_seen_at):
        if successor := next((start for start in starts if _may_replace(start, each)), None):
            starts.remove(successor)
            successors[each.name] = successor
    return successors


def _may_replace(later: Seen, lost: Seen) -> bool:
    return later.kind == lost.kind and later.started_at > lost.seen_at


def _seen_at(each: Seen) -> datetime:
    return each.seen_at


_FIELDS = tuple(name for name in Seen.__dataclass_fields__ if name != "heard_at")
_ROWS = select(Process).order_by(Process.kind, Process.started_at)
