"""Whether the database was restored from a backup, and the conditions that statements take."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from webapp.models.control import Installation

_NOT_ACKNOWLEDGED = and_(
    Installation.restored_at.is_not(None), Installation.acknowledged_at.is_(None)
)

# Not compared with Milvus since: nothing may be made or dropped.
SUSPECTED: ColumnElement[bool] = exists().where(Installation.suspected_at.is_not(None))

# Nothing may be dropped: a deletion in an old backup may have been taken back since.
DROPS_HELD: ColumnElement[bool] = exists().where(
    or_(Installation.suspected_at.is_not(None), _NOT_ACKNOWLEDGED)
)


def excused(before: datetime) -> ColumnElement[bool]:
    """Whether a restore explains why a row from before that moment has come to no end."""
    return exists().where(
        or_(
            Installation.suspected_at.is_not(None),
            _NOT_ACKNOWLEDGED,
            Installation.acknowledged_at > before,
        )
    )


@dataclass(frozen=True)
class RestoredState:
    """A restore that was recognized: when, and what has been done about it since."""

    at: datetime
    reason: str
    # Whether Milvus has not been compared with it yet.
    is_suspected: bool
    acknowledged_at: datetime | None

    @classmethod
    def of(cls, row: Installation | None) -> "RestoredState | None":
        if row is None or row.restored_at is None:
            return None
        is_suspected = row.suspected_at is not None
        return cls(row.restored_at, row.reason or "", is_suspected, row.acknowledged_at)

    @property
    def is_compared(self) -> bool:
        return not self.is_suspected

    @property
    def is_pending(self) -> bool:
        """Whether something is held back because of it."""
        return self.is_suspected or self.acknowledged_at is None

    def excuses(self, before: datetime) -> bool:
        return self.is_pending or bool(self.acknowledged_at and self.acknowledged_at > before)


def are_drops_held(session: Session) -> bool:
    return bool(session.scalar(select(DROPS_HELD)))


def is_suspected(session: Session) -> bool:
    """Whether nothing may be made or dropped before the database was compared with Milvus."""
    return bool(session.scalar(select(SUSPECTED)))
