"""The overview: one sentence that says how things are, the figures behind it, what to do."""

from datetime import datetime
from typing import Any

from flask.typing import ResponseReturnValue
from flask_admin import AdminIndexView
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp import current
from webapp.admin.attention import broken_isolation, needs
from webapp.admin.base import Guarded, Shell, expose, reading, shell
from webapp.admin.drift import is_stale
from webapp.admin.words import CAUSES, ago, clock
from webapp.tenants import timeline
from webapp.tenants.causes import Cause
from webapp.tenants.failures import Family, families
from webapp.tenants.figures import Summary
from webapp.tenants.models import Partition, PartitionEvent, Tenant
from webapp.tenants.states import PartitionState

LATEST_EVENTS = 10
CAUSES_SHOWN = 3
# What happens on the way to an outcome is told in the tenant's own timeline.
STEPS = (timeline.DISPATCHED, timeline.CREATING, timeline.FALLBACK)
WAITING = (PartitionState.PENDING, PartitionState.PROVISIONING)


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
    frame = shell()
    failures = families(reading())
    settings = current.settings()
    retryable = [each for each in failures if each.cause != Cause.FOREIGN_DATA]
    return {
        "nav": "overview",
        "every": 5,
        "needs": needs(frame, settings),
        # Rows that may be somebody else's wait for a decision, not for a retry.
        "families": retryable[:CAUSES_SHOWN],
        "verdict": verdict(frame, failures, is_stale(_compared_at(frame), settings)),
        "longest": _longest_wait(reading()),
        "latest": _latest(reading()),
    }


def verdict(frame: Shell, failures: list[Family], is_blind: bool = False) -> tuple[str, str]:
    """A role and one sentence: how the tenants are, and what most of the trouble has in common.

    `is_blind` is true where nobody has looked lately whether Milvus still has what we think.
    """
    if frame.summary.tenants == 0:
        return "neutral", "No tenants yet."
    return _trouble(frame, failures) or _progress(frame.summary) or _ready(frame, is_blind)


def _trouble(frame: Shell, failures: list[Family]) -> tuple[str, str] | None:
    counts, board = frame.summary, frame.board
    failed, waiting = counts.states[PartitionState.FAILED], _waiting(counts)
    if found := broken_isolation(frame):
        return "danger", f"Partitions do not keep their rows apart in {found}."
    if failed:
        return "danger", _failing(failed + waiting, counts.tenants, failures)
    if not board.answers:
        return (
            "warning",
            "Redis does not answer: sign-ups are kept, and go on once it is back.",
        )
    if not board.workers:
        return (
            "warning",
            f"No workers are running. {_several(waiting, 'tenant')} waiting.",
        )
    if cause := counts.collections[0].cause:
        return (
            "warning",
            f"{CAUSES[cause]}: new tenants will wait until that is mended.",
        )
    return None


def _progress(counts: Summary) -> tuple[str, str] | None:
    if waiting := _waiting(counts):
        verb = "is" if waiting == 1 else "are"
        tenants = _several(counts.tenants, "tenant")
        return "info", f"{waiting} of {tenants} {verb} being provisioned."
    if missing := counts.without_wish:
        return (
            "info",
            f"{_several(missing, 'tenant')} without a partition: run a backfill.",
        )
    return None


def _ready(frame: Shell, is_blind: bool) -> tuple[str, str]:
    tenants = frame.summary.tenants
    sentence = "The one tenant is ready" if tenants == 1 else f"All {tenants} tenants are ready"
    if is_blind:
        since = _compared_at(frame)
        when = f"for {ago(since)}" if since else "yet"
        return "warning", f"{sentence}, but Milvus was not compared with the database {when}."
    if drifting := frame.drifting:
        verb = "is" if drifting == 1 else "are"
        return "warning", f"{sentence}; {_several(drifting, 'partition')} {verb} not as wanted."
    return "success", f"{sentence}."


def _compared_at(frame: Shell) -> datetime | None:
    return frame.summary.collections[0].compared_at


def _waiting(counts: Summary) -> int:
    return sum(counts.states[state] for state in WAITING)


def _failing(unready: int, tenants: int, failures: list[Family]) -> str:
    verb = "is" if unready == 1 else "are"
    sentence = f"{unready} of {_several(tenants, 'tenant')} {verb} not ready"
    if not failures:
        return f"{sentence}."
    first = failures[0]
    cause = f"{CAUSES[first.cause]}, since {clock(first.first_seen)}"
    if first.tenants == unready:
        return f"{sentence}: {cause}."
    shares = "failed for" if first.tenants == 1 else "share one cause,"
    return f"{sentence}; {first.tenants} {shares} {cause}."


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _longest_wait(session: Session) -> Any:
    """Since when the tenant waits that has waited longest; an index answers it."""
    oldest = select(func.min(Partition.state_since))
    return {
        state: session.scalar(oldest.where(Partition.state == state))
        for state in (*WAITING, PartitionState.FAILED)
    }


def _latest(session: Session) -> Any:
    newest = select(PartitionEvent, Tenant.name).join(Tenant, Tenant.id == PartitionEvent.tenant_id)
    newest = newest.where(PartitionEvent.event.not_in(STEPS))
    return session.execute(newest.order_by(PartitionEvent.id.desc()).limit(LATEST_EVENTS)).all()
