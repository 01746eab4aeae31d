"""The data of charts: the buckets of a span up to now, empty ones included."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from webapp.db.types import utc_now
from webapp.models.statistics import Activity, Resolution
from webapp.statistics.buckets import WIDTHS, Counts, counts_of, start_of
from webapp.statistics.histogram import percentile


class Span(StrEnum):
    """How far back a chart goes. The values stand in addresses."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def lasts(self) -> timedelta:
        return SPANS[self][0]

    @property
    def resolution(self) -> Resolution:
        return SPANS[self][1]


SPANS = {
    Span.HOUR: (timedelta(hours=1), Resolution.MINUTE),
    Span.DAY: (timedelta(days=1), Resolution.QUARTER),
    Span.WEEK: (timedelta(days=7), Resolution.HOUR),
}


@dataclass(frozen=True)
class Bucket:
    """One step of a chart: counts, and the time within which 50 % and 95 % became ready."""

    at: datetime
    signups: int = 0
    ready: int = 0
    failed: int = 0
    p50_s: float | None = None
    p95_s: float | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.signups or self.ready or self.failed)


@dataclass(frozen=True)
class Chart:
    """The buckets of a span, oldest first, their total, and the failures of the past hour."""

    span: Span
    buckets: list[Bucket]
    total: Bucket
    failed_past_hour: int


def chart_of(session: Session, span: Span, now: datetime | None = None) -> Chart:
    """At most 60 buckets of a minute, 96 of a quarter or 168 of an hour; one query."""
    now = now or utc_now()
    starts, past_hour = _moments(span, now), _moments(Span.HOUR, now)
    condition = or_(_since(span, starts[0]), _since(Span.HOUR, past_hour[0]))
    stored = session.scalars(select(Activity).where(condition))
    rows = {(row.resolution, row.at): counts_of(row) for row in stored}
    steps = {at: rows.get((span.resolution, at), Counts()) for at in starts}
    total = Counts()
    for counts in steps.values():
        total.add(counts)
    minutes = [rows.get((Resolution.MINUTE, at), Counts()) for at in past_hour]
    return Chart(
        span=span,
        buckets=[_bucket(at, counts) for at, counts in steps.items()],
        total=_bucket(starts[0], total),
        failed_past_hour=sum(minute.failed for minute in minutes),
    )


def _moments(span: Span, now: datetime) -> list[datetime]:
    width = WIDTHS[span.resolution]
    last = start_of(now, width)
    return [last - width * n for n in reversed(range(span.lasts // width))]


def _since(span: Span, first: datetime) -> ColumnElement[bool]:
    return and_(Activity.resolution == span.resolution, Activity.at >= first)


def _bucket(at: datetime, counts: Counts) -> Bucket:
    return Bucket(
        at=at,
        signups=counts.signups,
        ready=counts.ready,
        failed=counts.failed,
        p50_s=percentile(counts.durations, 0.5),
        p95_s=percentile(counts.durations, 0.95),
    )
