"""The state of the pause, and the conditions that statements take from it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from webapp.models.control import Pause

PROVISIONING = "provisioning"

_LAST = exists().where(Pause.name == PROVISIONING)

# A condition for the statement that begins the work, so that no query of its own is needed.
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
        return cls(row.paused_at, row.paused_by, row.reason, row.resumed_at)

    @property
    def lasts(self) -> bool:
        return self.resumed_at is None

    def excuses(self, before: datetime) -> bool:
        """True where the pause explains why a request from before that moment still waits."""
        return self.resumed_at is None or self.resumed_at > before


def excused(before: datetime) -> ColumnElement[bool]:
    """`PauseState.excuses` of the last pause, as a condition."""
    return _LAST.where(or_(Pause.resumed_at.is_(None), Pause.resumed_at > before))


def last_pause(session: Session) -> PauseState | None:
    """The last pause, which may have ended; None where there was none."""
    row = session.get(Pause, PROVISIONING)
    return PauseState.of(row) if row else None


def is_paused(session: Session) -> bool:
    """Whether no change of Milvus may begin now."""
    return not session.scalar(select(NOT_PAUSED))
