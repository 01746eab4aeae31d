"""The overview: the verdict, the figures behind it, and what to do."""

from collections.abc import Sequence
from typing import Any

from flask import current_app, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import AdminIndexView
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.admin.base import Guarded, expose, reading, shell
from webapp.admin.overview import charts
from webapp.admin.overview import health as health_board
from webapp.admin.overview.headline import headline
from webapp.admin.overview.headroom import full_when, rooms
from webapp.admin.wording.units import number
from webapp.models.causes import Cause
from webapp.models.partition import PartitionEvent
from webapp.models.tenant import Tenant
from webapp.partitions import events
from webapp.statistics.chart import Span, chart_of

LATEST_EVENTS = 10
# The latest outcomes are searched in this many events.
LOOKED_AT = 1_000
CAUSES_SHOWN = 3
CURL = """curl {url} \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{{"name": "Acme"}}'"""
# Steps before an outcome are shown only in the tenant's timeline.
STEPS = (events.DISPATCHED, events.CREATING, events.FALLBACK)


class Overview(Guarded, AdminIndexView):  # type: ignore[misc]
    reads = frozenset({"index", "live"})
    nav = "overview"

    @expose("/")
    def index(self) -> ResponseReturnValue:
        return self.render("admin/overview/index.html", **_figures())

    @expose("/live/")
    def live(self) -> ResponseReturnValue:
        return self.render("admin/overview/_live.html", fragment=True, **_figures())


def _figures() -> dict[str, Any]:
    # First, so that only the database's time is measured.
    _answer, database_ms = health_board.timed(lambda: reading().scalar(select(1)))
    frame = shell()
    seen = frame.seen
    return {
        "headline": headline(frame),
        # Foreign data needs a decision, not a retry.
        "families": [each for each in seen.failures if each.cause != Cause.FOREIGN_DATA][
            :CAUSES_SHOWN
        ],
        "rooms": rooms(seen.summary.collections, seen.forecasts),
        "full_when": full_when,
        "as_number": number,
        "as_duration": charts.on_axis,
        "signs": list(health_board.health(frame, database_ms, current_app.extensions["job_queue"])),
        "since": seen.moments,
        "latest": _latest(reading()),
        **_activity(seen.moments.counted),
        "curl": CURL.format(url=url_for("api.create", _external=True)),
    }


def _activity(counted_at: Any) -> dict[str, Any]:
    span = _span(request.args.get("span", ""))
    chart = chart_of(reading(), span)
    return {
        "span": span,
        "spans": charts.SPANS,
        "drawn": charts.draw(chart, counted_at),
        "failed_past_hour": chart.failed_past_hour,
    }


def _span(text: str) -> Span:
    return Span(text) if text in set(Span) else Span.DAY


def _latest(session: Session) -> Sequence[Any]:
    newest = select(func.max(PartitionEvent.id)).scalar_subquery()
    outcomes = (
        select(PartitionEvent, Tenant.name)
        .join(Tenant, Tenant.id == PartitionEvent.tenant_id)
        .where(PartitionEvent.id > newest - LOOKED_AT, PartitionEvent.event.not_in(STEPS))
    )
    return session.execute(outcomes.order_by(PartitionEvent.id.desc()).limit(LATEST_EVENTS)).all()
