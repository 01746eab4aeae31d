"""Whether the reconciler works, which finishes imports and operations."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from webapp.db.types import utc_now
from webapp.statistics.heartbeats import DUE, last_beat

# The due loop sends a heartbeat every five seconds.
LATE = timedelta(seconds=20)
GONE = timedelta(seconds=60)


@dataclass(frozen=True)
class Absence:
    """The reconciler does not work; `since` is its last heartbeat, None without one."""

    since: datetime | None


def absence(session: Session) -> Absence | None:
    """The absence of the reconciler; None while it works. One query."""
    beat = last_beat(session, DUE)
    return Absence(beat) if beat is None or is_gone(beat) else None


def is_gone(beat: datetime) -> bool:
    """Whether the heartbeat is older than `GONE`."""
    return utc_now() - beat > GONE
