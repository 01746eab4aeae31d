"""When a collection will be full, at the pace of the last thirty days."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.db.types import utc_now
from webapp.models.observed import CollectionSize
from webapp.partitions.summary import Headroom

LOOKS_BACK = timedelta(days=30)
# With less history than this a pace would be a guess.
AT_LEAST = timedelta(days=1)
# A day beyond this is shown as never; calendars end, too.
NEVER = timedelta(days=36_500)


@dataclass(frozen=True)
class Forecast:
    """Growth a day; None with too short a history. `full_on`: None also beyond a century."""

    pace: float | None = None
    full_on: date | None = None
    days_left: int | None = None


def forecasts(session: Session, collections: list[Headroom]) -> dict[str, Forecast]:
    """The forecast of each collection; one query, bounded by their number."""
    today = utc_now().date()
    sizes = select(CollectionSize).where(CollectionSize.day >= today - LOOKS_BACK)
    oldest: dict[str, CollectionSize] = {}
    for size in session.scalars(sizes.order_by(CollectionSize.day)):
        oldest.setdefault(size.collection, size)
    return {room.collection: forecast(room, oldest.get(room.collection)) for room in collections}


def forecast(room: Headroom, before: CollectionSize | None) -> Forecast:
    """The forecast from the present count and an earlier one."""
    if room.used is None or room.left is None or room.answered_at is None or before is None:
        return Forecast()
    passed = room.answered_at - before.observed_at
    if passed < AT_LEAST:
        return Forecast()
    pace = (room.used - before.partitions) / (passed / timedelta(days=1))
    if pace <= 0 or room.left / pace > NEVER.days:
        return Forecast(pace)
    lasts = timedelta(days=room.left / pace)
    return Forecast(pace, (utc_now() + lasts).date(), lasts.days)
