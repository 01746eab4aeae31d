"""The brakes that are on, and the conditions that statements take from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from webapp.models.causes import Cause
from webapp.models.control import Brake
from webapp.models.partition import Partition

IS_ON: ColumnElement[bool] = Brake.released_at.is_(None)
_HERE = exists().where(Brake.collection == Partition.collection, IS_ON)

# Nothing is dropped in the partition's collection, and no lost partition is made again there.
BRAKED: ColumnElement[bool] = _HERE

# Nor may this partition be made. A first creation goes on only in the collection that is known: one
# that answers in place of it, or will, may be on the wrong server.
HELD: ColumnElement[bool] = _HERE.where(
    or_(Brake.reason != Cause.PARTITIONS_GONE, Partition.ready_at.is_not(None))
)

# What a held request says of itself.
WAITS = "nothing is made here until an operator has decided: flask partitions brake"
HELD_VALUES: dict[str, Any] = {
    "cause": select(Brake.reason)
    .where(Brake.collection == Partition.collection)
    .correlate(Partition)
    .scalar_subquery(),
    "error": WAITS,
}


def excused(before: datetime) -> ColumnElement[bool]:
    """Whether a brake explains why a row from before that moment has come to no end."""
    of_collection = exists().where(Brake.collection == Partition.collection)
    return of_collection.where(or_(IS_ON, Brake.released_at > before))


@dataclass(frozen=True)
class BrakeState:
    """A brake: why, since when, and how many of the proven partitions are missing."""

    collection: str
    reason: Cause
    since: datetime
    gone: int
    proven: int
    # An operator has seen it, and waits.
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    # None while it is on.
    released_at: datetime | None
    # Milvus's number of the collection that answers in place of the known one; 0: it gives none.
    found_id: int | None = None

    @classmethod
    def of(cls, row: Brake) -> "BrakeState":
        return cls(
            row.collection,
            row.reason,
            row.since,
            row.gone,
            row.proven,
            row.acknowledged_at,
            row.acknowledged_by,
            row.released_at,
            row.found_id,
        )

    @property
    def is_on(self) -> bool:
        return self.released_at is None

    def excuses(self, before: datetime) -> bool:
        """As `excused`, for a partition in this brake's collection."""
        return self.released_at is None or self.released_at > before

    @property
    def is_inferred(self) -> bool:
        """Whether that the collection is another one only follows from the loss of all in it.

        Milvus Lite gives collections no number by which one that was made anew is known.
        """
        return self.reason == Cause.COLLECTION_REPLACED and self.found_id == 0

    @property
    def may_go_on(self) -> bool:
        """Whether partitions could be made again: not while the collection does not exist."""
        return self.reason != Cause.COLLECTION_MISSING


def brakes(session: Session) -> Sequence[BrakeState]:
    """The brakes that are on, the oldest first; one query of a table with few rows."""
    rows = session.scalars(select(Brake).where(IS_ON).order_by(Brake.since, Brake.collection))
    return [BrakeState.of(row) for row in rows]
