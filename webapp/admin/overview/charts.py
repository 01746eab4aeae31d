"""The charts of the overview: sign-ups, and the times to ready."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from webapp.admin.overview import plot
from webapp.admin.wording.markup import gettext as _
from webapp.admin.wording.times import minute_tag
from webapp.admin.wording.units import decimal, duration, number, took
from webapp.db.types import utc_now
from webapp.http.languages import ngettext
from webapp.statistics.chart import Bucket, Chart, Span

# The distance of two times on the axis, and their format.
TIME_STEPS = {
    Span.HOUR: (timedelta(minutes=15), "hour"),
    Span.DAY: (timedelta(hours=6), "hour"),
    Span.WEEK: (timedelta(days=1), "day"),
}
SPANS = {Span.HOUR: _l("1 hour"), Span.DAY: _l("24 hours"), Span.WEEK: _l("7 days")}
BUCKETS = {
    Span.HOUR: _l("Each bar is a minute."),
    Span.DAY: _l("Each bar is a quarter of an hour."),
    Span.WEEK: _l("Each bar is an hour."),
}
# Counts older than this get a warning.
COUNTED_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Picture:
    """One chart: its axis, its bars or lines, and the sentence that describes them."""

    sentence: Markup
    axis: list[plot.Tick]
    marks: list[Any]


@dataclass(frozen=True)
class Charts:
    span: Span
    bar_is: str
    times: list[plot.TimeTick]
    time_kind: str
    signups: Picture
    durations: Picture
    # The buckets with events, newest first.
    rows: list[Bucket]
    doubt: Markup | None


def draw(chart: Chart, counted_at: datetime | None) -> Charts:
    """The charts, with a warning where the counts are old."""
    step, kind = TIME_STEPS[chart.span]
    return Charts(
        span=chart.span,
        bar_is=str(BUCKETS[chart.span]),
        times=list(plot.time_axis(chart.buckets[0].at, chart.span.lasts, step)),
        time_kind=kind,
        signups=_signups(chart),
        durations=_durations(chart),
        rows=[bucket for bucket in reversed(chart.buckets) if not bucket.is_empty],
        doubt=_doubt(counted_at),
    )


def on_axis(seconds: float) -> str:
    """A duration as a label on the axis: 10 ms, 1 s, 10 min."""
    return took(seconds * 1000) if seconds < 1 else duration(seconds)


def _doubt(counted_at: datetime | None) -> Markup | None:
    if counted_at is None:
        return _("Nothing was counted yet. Does the reconciler run?")
    if utc_now() - counted_at > COUNTED_WITHIN:
        return _(
            "These figures end at %(at)s: the reconciler counts the rest when it runs.",
            at=minute_tag(counted_at),
        )
    return None


def _signups(chart: Chart) -> Picture:
    """A bar for each bucket with sign-ups."""
    counts = [(bucket.signups, bucket.failed) for bucket in chart.buckets]
    axis = plot.counting_axis(max(max(pair) for pair in counts))
    bars = list(plot.bars(counts, int(axis[-1].value)))
    return Picture(_describe_signups(chart), axis, bars)


def _describe_signups(chart: Chart) -> Markup:
    total = chart.total
    if chart.total.is_empty:
        return _("No tenant signed up in this time.")
    signups = ngettext(
        "%(num)s sign-up, %(rate)s an hour.",
        "%(num)s sign-ups, %(rate)s an hour.",
        total.signups,
        rate=_rate(total.signups, chart.span),
    )
    ready, failed = number(total.ready), number(total.failed)
    outcome = _("Became ready: %(ready)s. Failed: %(failed)s.", ready=ready, failed=failed)
    return signups + " " + outcome


def _rate(count: int, span: Span) -> str:
    rate = count / (span.lasts / timedelta(hours=1))
    return number(round(rate)) if rate >= 10 or rate == int(rate) else decimal(rate)


def _durations(chart: Chart) -> Picture:
    """Name, path and dots of two lines over a logarithmic axis, the upper one first."""
    lines = {name: [getattr(b, f"{name}_s") for b in chart.buckets] for name in ("p95", "p50")}
    known = [each for durations in lines.values() for each in durations if each is not None]
    axis = plot.duration_axis(min(known, default=0.1), max(known, default=10.0))
    marks = []
    for name, durations in lines.items() if known else ():
        places = [None if each is None else axis.place(each) for each in durations]
        marks.append((name, plot.line(places), plot.dots(places)))
    return Picture(_describe_durations(chart.total), axis.ticks, marks)


def _describe_durations(total: Bucket) -> Markup:
    if total.p50_s is None or total.p95_s is None:
        return _("No tenant became ready in this time.")
    return _(
        "Half were ready within %(half)s, 95 of 100 within %(most)s.",
        half=took(total.p50_s * 1000),
        most=took(total.p95_s * 1000),
    )
