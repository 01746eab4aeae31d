"""The overview: one sentence that says how things are, the figures behind it, what to do."""

from collections.abc import Sequence
from typing import Any

from flask import current_app, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import AdminIndexView
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp import current
from webapp.admin.base import Guarded, expose, reading, shell
from webapp.admin.overview import charts
from webapp.admin.overview import health as health_board
from webapp.admin.overview.conditions import needs
from webapp.admin.overview.headroom import full_when, rooms
from webapp.admin.overview.verdict import verdict
from webapp.admin.wording.units import number
from webapp.models.causes import Cause
from webapp.models.partition import PartitionEvent
from webapp.models.tenant import Tenant
from webapp.partitions import events
from webapp.partitions.failures import families
from webapp.statistics.chart import Span, pulse
from webapp.statistics.forecast import forecasts
from webapp.statistics.liveness import moments

LATEST_EVENTS = 10
# Among so many entries the latest are looked for, however many steps they are.
LOOKED_AT = 1_000
CAUSES_SHOWN = 3
CURL = """curl {url} \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{{"name": "Acme"}}'"""
# What happens on the way to an outcome is told in the tenant's own timeline.
STEPS = (events.DISPATCHED, events.CREATING, events.FALLBACK)


class Overview(Guarded, AdminIndexView):  # type: ignore[misc]
    """The first page of the panel."""

    reads = frozenset({"index", "live"})

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The page."""
        return self.render("admin/overview/index.html", **_figures())

    @expose("/live/")
    def live(self) -> ResponseReturnValue:
        """The part of the page that keeps itself up to date."""
        return self.render("admin/overview/_live.html", fragment=True, **_figures())


def _figures() -> dict[str, Any]:
    # First, so that its time is the database's and not that of all that follows.
    now, database_ms = health_board.timed(lambda: moments(reading()))
    frame, settings = shell(), current.settings()
    job_queue = current_app.extensions["job_queue"]
    failures = families(reading()) if frame.summary.causes else []
    collections = rooms(frame.summary.collections, forecasts(reading(), frame.summary.collections))
    signs = health_board.health(frame, now, database_ms, job_queue, settings)
    return {
        "nav": "overview",
        "every": 2,
        "verdict": verdict(frame, failures, now, settings),
        "needs": needs(frame, now, collections, settings),
        # Rows that may be somebody else's wait for a decision, not for a retry.
        "families": [each for each in failures if each.cause != Cause.FOREIGN_DATA][:CAUSES_SHOWN],
        "rooms": collections,
        "full_when": full_when,
        "as_number": number,
        "as_duration": charts.on_axis,
        "signs": signs,
        "since": now,
        "latest": _latest(reading()),
        **_activity(now.counted),
        **_first_steps(),
    }


def _activity(counted_at: Any) -> dict[str, Any]:
    span = _span(request.args.get("span", ""))
    found = pulse(reading(), span)
    return {
        "span": span,
        "spans": charts.SPANS,
        "drawn": charts.draw(found.chart, counted_at),
        "failed_past_hour": found.failed_past_hour,
    }


def _first_steps() -> dict[str, str]:
    is_there = "uploads.index" in current_app.view_functions
    return {
        "import_url": url_for("uploads.index") if is_there else "",
        "curl": CURL.format(url=url_for("api.create", _external=True)),
    }


def _span(text: str) -> Span:
    return Span(text) if text in set(Span) else Span.DAY


def _latest(session: Session) -> Sequence[Any]:
    """The last entries that tell of more than a step, as far as a bounded look finds them."""
    newest = select(func.max(PartitionEvent.id)).scalar_subquery()
    told = (
        select(PartitionEvent, Tenant.name)
        .join(Tenant, Tenant.id == PartitionEvent.tenant_id)
        .where(PartitionEvent.id > newest - LOOKED_AT, PartitionEvent.event.not_in(STEPS))
    )
    return session.execute(told.order_by(PartitionEvent.id.desc()).limit(LATEST_EVENTS)).all()
