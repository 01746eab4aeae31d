"""Buckets of time, and their counts."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from webapp.models.statistics import Activity, Resolution
from webapp.statistics.histogram import unpacked

MINUTE, QUARTER, HOUR = timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1)
WIDTHS = {Resolution.MINUTE: MINUTE, Resolution.QUARTER: QUARTER, Resolution.HOUR: HOUR}


@dataclass
class Counts:
    """Events of a stretch of time, and a histogram of the times to ready."""

    signups: int = 0
    ready: int = 0
    failed: int = 0
    durations: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Counts") -> None:
        self.signups += other.signups
        self.ready += other.ready
        self.failed += other.failed
        self.durations.update(other.durations)


def counts_of(row: Activity) -> Counts:
    return Counts(row.signups, row.ready, row.failed, unpacked(row.durations))


def start_of(moment: datetime, width: timedelta) -> datetime:
    """The start of the bucket that contains the moment."""
    return moment - (moment - datetime.fromtimestamp(0, moment.tzinfo)) % width
