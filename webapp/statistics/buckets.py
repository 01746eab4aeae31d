"""Buckets of time, and the counts that each holds."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from webapp.models.statistics import Activity, Resolution
from webapp.statistics.histogram import unpacked

MINUTE, QUARTER, HOUR = timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1)


WIDTHS = {Resolution.MINUTE: MINUTE, Resolution.QUARTER: QUARTER, Resolution.HOUR: HOUR}


@dataclass
class Counts:
    """What happened in a stretch of time: tenants by what became of them, and how long it took."""

    signups: int = 0
    ready: int = 0
    failed: int = 0
    durations: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Counts") -> None:
        """Take another stretch in."""
        self.signups += other.signups
        self.ready += other.ready
        self.failed += other.failed
        self.durations.update(other.durations)


def counts_of(row: Activity) -> Counts:
    """The counts that a bucket's row has."""
    return Counts(row.signups, row.ready, row.failed, unpacked(row.durations))


def start_of(moment: datetime, width: timedelta) -> datetime:
    """The beginning of the bucket that the moment is in."""
    return moment - (moment - datetime.fromtimestamp(0, moment.tzinfo)) % width
