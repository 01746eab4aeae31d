"""The last time in which no process could store its sign of life: the database was away."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.models.control import Heartbeat
from webapp.models.process import Process
from webapp.processes.beats import note

# Two beats: while one process works, another sign is never as old.
QUIET = timedelta(seconds=10)
LOST, BACK = "signs.lost", "signs.back"


@dataclass(frozen=True)
class Gap:
    """From the last sign of life before it to the first one after it, of any process."""

    lost: datetime
    back: datetime

    def heard_at(self, seen_at: datetime, silent_after: timedelta) -> datetime:
        """The last moment at which a process with this sign was not known to be silent.

        One that lived when the gap began could show nothing before its end.
        """
        is_excused = self.lost - silent_after <= seen_at < self.back
        return self.back if is_excused else seen_at


def last_gap(session: Session) -> Gap | None:
    found = select(Heartbeat.name, Heartbeat.at).where(Heartbeat.name.in_((LOST, BACK)))
    at = {row.name: row.at for row in session.execute(found)}
    return Gap(at[LOST], at[BACK]) if at else None


def note_gap(session: Session, now: datetime) -> None:
    """Store that a gap ends now, unless another process has shown itself meanwhile."""
    last = session.scalar(select(func.max(Process.seen_at)))
    if last is not None and now - last > QUIET:
        note(session, LOST, last)
        note(session, BACK, now)
