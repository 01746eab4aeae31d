"""Whether the reconciler is there: it brings to an end what takes longer than a click."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from webapp.db.types import utc_now
from webapp.statistics.heartbeats import DUE, last_beat

# The due loop beats every five seconds; a few may be missed, more mean that it is gone.
LATE = timedelta(seconds=20)
GONE = timedelta(seconds=60)


@dataclass(frozen=True)
class Absence:
    """Nobody reconciles; `since` is when somebody last did, None where nobody ever has."""

    since: datetime | None


def absence(session: Session) -> Absence | None:
    """What to say of a reconciler that is gone; None where it is there. One query."""
    beat = last_beat(session, DUE)
    return Absence(beat) if beat is None or is_gone(beat) else None


def is_gone(beat: datetime) -> bool:
    """Whether the last sign of life is too old to hope for the next."""
    return utc_now() - beat > GONE
