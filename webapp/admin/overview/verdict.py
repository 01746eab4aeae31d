"""The verdict: one sentence on the state of the tenants, and its role."""

from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from webapp.admin.base import Shell
from webapp.admin.overview.conditions import broken_isolation
from webapp.admin.partitions.drift import is_stale
from webapp.admin.reconciler import is_gone
from webapp.admin.wording import brakes
from webapp.admin.wording.actors import who
from webapp.admin.wording.labels import CAUSES, REFUSALS
from webapp.admin.wording.markup import gettext as _
from webapp.admin.wording.times import ago, clock_tag
from webapp.admin.wording.units import number
from webapp.http.languages import ngettext
from webapp.models.causes import NO_ANSWER
from webapp.models.states import UNSETTLED, PartitionState
from webapp.partitions.failures import Family
from webapp.partitions.summary import Summary
from webapp.queue.models import Board
from webapp.settings import Settings
from webapp.statistics.liveness import Moments


@dataclass(frozen=True)
class Verdict:
    role: str
    sentence: Markup


def verdict(frame: Shell, failures: list[Family], now: Moments, settings: Settings) -> Verdict:
    """The gravest condition of the tenants, and the most common cause."""
    result = (
        _grave(frame, failures)
        or _halted(frame)
        or _unattended(now)
        or _under_way(frame.summary)
        or _doubtful(frame, settings)
    )
    return result or Verdict("success", _all_ready(frame.summary.tenants))


def waiting(counts: Summary) -> int:
    """How many tenants are pending or provisioning."""
    return sum(counts.states[state] for state in UNSETTLED)


def _grave(frame: Shell, failures: list[Family]) -> Verdict | None:
    counts = frame.summary
    if found := broken_isolation(frame):
        sentence = _("Partitions do not keep their rows apart in %(found)s.", found=found)
        return Verdict("danger", sentence)
    if counts.restored and counts.restored.is_suspected:
        return Verdict("danger", _("The database was restored, and waits for Milvus."))
    if frame.summary.brakes:
        first = frame.summary.brakes[0]
        return Verdict(
            "danger", brakes.title(first.reason, Markup("<code>{}</code>").format(first.collection))
        )
    if counts.states[PartitionState.FAILED] and failures:
        return Verdict("danger", _failing(counts, failures[0]))
    return None


def _failing(counts: Summary, first: Family) -> Markup:
    unready = counts.states[PartitionState.FAILED] + waiting(counts)
    why = {"cause": CAUSES[first.cause], "since": clock_tag(_since(counts, first))}
    total = number(counts.tenants)
    if counts.tenants == 1:
        return _("The one tenant is not ready: %(cause)s, since %(since)s.", **why)
    if first.tenants == unready:
        return ngettext(
            "%(num)s of %(total)s tenants is not ready: %(cause)s, since %(since)s.",
            "%(num)s of %(total)s tenants are not ready: %(cause)s, since %(since)s.",
            unready,
            total=total,
            **why,
        )
    return ngettext(
        "%(unready)s of %(total)s tenants are not ready; "
        "%(num)s failed: %(cause)s, since %(since)s.",
        "%(unready)s of %(total)s tenants are not ready; "
        "%(num)s share one cause: %(cause)s, since %(since)s.",
        first.tenants,
        unready=number(unready),
        total=total,
        **why,
    )


def _since(counts: Summary, first: Family) -> datetime:
    """The start of the trouble: retries of the sweep are newer than the outage they fail in."""
    outage = counts.circuit.since if first.cause in NO_ANSWER else None
    return min(first.first_seen, outage) if outage else first.first_seen


def _halted(frame: Shell) -> Verdict | None:
    counts, board, on_their_way = frame.summary, frame.board, waiting(frame.summary)
    if pause := counts.paused:
        sentence = ngettext(
            "Provisioning is paused since %(since)s by %(by)s; %(num)s tenant waits.",
            "Provisioning is paused since %(since)s by %(by)s; %(num)s tenants wait.",
            on_their_way,
            since=clock_tag(pause.since),
            by=who(pause.by),
        )
        return Verdict("warning", sentence)
    if of_redis := _of_redis(board):
        return of_redis
    if not board.workers:
        sentence = ngettext(
            "No workers are running; %(num)s tenant waits.",
            "No workers are running; %(num)s tenants wait.",
            on_their_way,
        )
        return Verdict("danger" if on_their_way else "warning", sentence)
    if counts.circuit.is_open:
        sentence = _(
            "Milvus has been marked down since %(since)s: new tenants wait until it answers.",
            since=clock_tag(counts.circuit.since),
        )
        return Verdict("danger" if on_their_way else "warning", sentence)
    if cause := counts.collections[0].cause:
        sentence = _("%(cause)s: new tenants wait until that is mended.", cause=CAUSES[cause])
        return Verdict("danger" if on_their_way else "warning", sentence)
    return None


def _of_redis(board: Board) -> Verdict | None:
    if not board.answers:
        return Verdict(
            "danger", _("Redis does not answer: sign-ups are kept, and go on once it is back.")
        )
    if refusal := board.refusal:
        sentence = _(
            "Redis takes no writes (%(why)s): sign-ups are kept, and go on once it does.",
            why=REFUSALS[refusal],
        )
        return Verdict("danger", sentence)
    return None


def _unattended(now: Moments) -> Verdict | None:
    if now.due is None or not is_gone(now.due):
        return None
    sentence = _(
        "The reconciler has been silent since %(since)s: what gets lost is not found again.",
        since=clock_tag(now.due),
    )
    return Verdict("warning", sentence)


def _under_way(counts: Summary) -> Verdict | None:
    if counts.tenants == 1 and waiting(counts):
        return Verdict("info", _("The one tenant is being provisioned."))
    if on_their_way := waiting(counts):
        sentence = ngettext(
            "%(num)s of %(total)s tenants is being provisioned.",
            "%(num)s of %(total)s tenants are being provisioned.",
            on_their_way,
            total=number(counts.tenants),
        )
        return Verdict("info", sentence)
    if missing := counts.not_requested:
        sentence = ngettext(
            "%(num)s tenant has no partition yet: request it.",
            "%(num)s tenants have no partition yet: request them.",
            missing,
        )
        return Verdict("info", sentence)
    return None


def _doubtful(frame: Shell, settings: Settings) -> Verdict | None:
    ready = _all_ready(frame.summary.tenants)
    compared_at = frame.summary.collections[0].compared_at
    if compared_at is None:
        return Verdict("warning", ready + " " + _("But Milvus was never compared with it."))
    if is_stale(compared_at, settings):
        doubt = _(
            "But Milvus was not compared with the database for %(duration)s.",
            duration=ago(compared_at),
        )
        return Verdict("warning", ready + " " + doubt)
    if drifting := frame.drifting:
        doubt = ngettext(
            "But %(num)s partition is not as wanted.",
            "But %(num)s partitions are not as wanted.",
            drifting,
        )
        return Verdict("warning", ready + " " + doubt)
    return None


def _all_ready(tenants: int) -> Markup:
    return ngettext("The one tenant is ready.", "All %(num)s tenants are ready.", tenants)
