"""Whether provisioning is paused, as all ask who are about to begin something."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from webapp.models.control import Pause

PROVISIONING = "provisioning"

_LAST = exists().where(Pause.name == PROVISIONING)

# A condition for the very statement that begins something: it costs no question of its own.
NOT_PAUSED: ColumnElement[bool] = ~_LAST.where(Pause.resumed_at.is_(None))


@dataclass(frozen=True)
class PauseState:
    """A pause: since when, by whom and why; `resumed_at` is None while it lasts."""

    since: datetime
    by: str
    reason: str | None
    resumed_at: datetime | None = None

    @classmethod
    def of(cls, row: Pause) -> "PauseState":
        """The pause in this row."""
        return cls(row.paused_at, row.paused_by, row.reason, row.resumed_at)

    @property
    def lasts(self) -> bool:
        """True until somebody resumes."""
        return self.resumed_at is None

    def excuses(self, before: datetime) -> bool:
        """True where it is no wonder that what was requested before that moment still waits."""
        return self.resumed_at is None or self.resumed_at > before


def excused(before: datetime) -> ColumnElement[bool]:
    """`PauseState.excuses` of the last pause, as a condition."""
    return _LAST.where(or_(Pause.resumed_at.is_(None), Pause.resumed_at > before))


def last_pause(session: Session) -> PauseState | None:
    """The last pause, which may be over; None where there never was one."""
    row = session.get(Pause, PROVISIONING)
    return PauseState.of(row) if row else None


def is_paused(session: Session) -> bool:
    """Whether nothing that would change Milvus may begin now."""
    return not session.scalar(select(NOT_PAUSED))
