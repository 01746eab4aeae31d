"""The panel's words for operations on many tenants."""

from collections.abc import Mapping

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from webapp.admin.wording.labels import CAUSES, Badge, state_word
from webapp.admin.wording.markup import isolated
from webapp.admin.wording.units import Counted, counted, number
from webapp.http.languages import ngettext
from webapp.models.operation import OperationKind, OperationState
from webapp.operations.plan import (
    CHANGED,
    DROPPING,
    NOTHING_LOST,
    OTHER_CAUSE,
    PERMANENT,
    UNKNOWN,
    WAITING,
    WITHOUT_REQUEST,
)
from webapp.operations.progress import Progress, View
from webapp.operations.selection import Selection

_K = OperationKind

# Each kind's label on a button, with its icon and role.
KINDS = {
    _K.RETRY: Badge(_l("Retry"), "retry", "info"),
    _K.REQUEST: Badge(_l("Request partitions"), "plus", "info"),
    _K.BACKFILL: Badge(_l("Backfill"), "plus", "info"),
    _K.DELETE: Badge(_l("Delete"), "trash", "danger"),
    _K.RESTORE: Badge(_l("Keep"), "back", "info"),
    _K.ACKNOWLEDGE: Badge(_l("Acknowledge"), "check", "info"),
}

STATES = {
    OperationState.RUNNING: Badge(_l("starting"), "arrows", "info"),
    OperationState.FINISHED: Badge(_l("under way"), "arrows", "info"),
    OperationState.SETTLED: Badge(_l("done"), "check", "success"),
}
ENDED_BADLY = Badge(_l("done, some failed again"), "octagon", "danger")

TITLES: dict[OperationKind, Counted] = {
    _K.RETRY: counted("Retry of %(num)s tenant", "Retry of %(num)s tenants"),
    _K.REQUEST: counted("Partition for %(num)s tenant", "Partitions for %(num)s tenants"),
    _K.BACKFILL: counted("Backfill of %(num)s tenant", "Backfill of %(num)s tenants"),
    _K.DELETE: counted("Deletion of %(num)s tenant", "Deletion of %(num)s tenants"),
    _K.RESTORE: counted("%(num)s tenant called back", "%(num)s tenants called back"),
    _K.ACKNOWLEDGE: counted(
        "Possible loss of rows of %(num)s tenant acknowledged",
        "Possible loss of rows of %(num)s tenants acknowledged",
    ),
}

# The first sentence of a dry run, and its button.
WOULD: dict[OperationKind, Counted] = {
    _K.RETRY: counted("%(num)s will be queued.", "%(num)s will be queued."),
    _K.REQUEST: counted(
        "%(num)s partition will be requested.", "%(num)s partitions will be requested."
    ),
    _K.DELETE: counted("%(num)s tenant will be deleted.", "%(num)s tenants will be deleted."),
    _K.RESTORE: counted("%(num)s tenant will be kept.", "%(num)s tenants will be kept."),
    _K.ACKNOWLEDGE: counted(
        "%(num)s tenant is marked no more: its rows are loaded again, or were not needed.",
        "%(num)s tenants are marked no more: their rows are loaded again, or were not needed.",
    ),
}

START: dict[OperationKind, Counted] = {
    _K.RETRY: counted("Queue %(num)s retry", "Queue %(num)s retries"),
    _K.REQUEST: counted("Request %(num)s partition", "Request %(num)s partitions"),
    _K.DELETE: counted("Delete %(num)s tenant", "Delete %(num)s tenants"),
    _K.RESTORE: counted("Keep %(num)s tenant", "Keep %(num)s tenants"),
    _K.ACKNOWLEDGE: counted("Acknowledge for %(num)s tenant", "Acknowledge for %(num)s tenants"),
}

# Reasons of skipped tenants.
SKIPPED: dict[str, Counted] = {
    WAITING: counted("%(num)s waits already", "%(num)s wait already"),
    PERMANENT: counted(
        "%(num)s failed for a cause that no retry cures",
        "%(num)s failed for causes that no retry cures",
    ),
    OTHER_CAUSE: counted("%(num)s failed for another cause", "%(num)s failed for other causes"),
    "pending": counted("%(num)s waits already", "%(num)s wait already"),
    "provisioning": counted("%(num)s runs already", "%(num)s run already"),
    "ready": counted("%(num)s is ready", "%(num)s are ready"),
    "missing": counted("%(num)s is missing", "%(num)s are missing"),
    "failed": counted("%(num)s failed", "%(num)s failed"),
    "removing": counted("%(num)s is being removed", "%(num)s are being removed"),
    "removed": counted("%(num)s is removed", "%(num)s are removed"),
    WITHOUT_REQUEST: counted("%(num)s was never requested", "%(num)s were never requested"),
    DROPPING: counted("%(num)s is being dropped already", "%(num)s are being dropped already"),
    UNKNOWN: counted("%(num)s does not exist", "%(num)s do not exist"),
    NOTHING_LOST: counted("%(num)s has lost no rows", "%(num)s have lost no rows"),
    CHANGED: counted("%(num)s changed meanwhile", "%(num)s changed meanwhile"),
}


def title(view: View) -> str:
    return TITLES[view.operation.kind](view.progress.planned)


def skipped(reason: str, count: int) -> str:
    """How many were skipped for this reason."""
    sentence = SKIPPED.get(reason)
    return sentence(count) if sentence else f"{number(count)} {reason}"


def skipped_sentence(counts: Mapping[str, int]) -> str:
    """How many are skipped, and why; empty for none."""
    if not counts:
        return ""
    reasons = ", ".join(skipped(reason, counts[reason]) for reason in sorted(counts))
    count = sum(counts.values())
    return _("%(count)s skipped: %(reasons)s.", count=number(count), reasons=reasons)


def describe_selection(selection: Selection) -> str:
    if selection.tenant_ids is not None:
        return ngettext(
            "%(num)s selected tenant", "%(num)s selected tenants", len(selection.tenant_ids)
        )
    parts = _parts(selection)
    return _("All that match: %(filter)s", filter=" · ".join(parts)) if parts else _("All")


def _parts(selection: Selection) -> list[str]:
    parts = []
    if selection.state:
        parts.append(state_word(selection.state))
    if selection.not_requested:
        parts.append(_("Not requested"))
    if selection.rows_lost:
        parts.append(_("Rows may be lost"))
    if selection.cause:
        parts.append(str(CAUSES[selection.cause]))
    if selection.q:
        parts.append(f"“{isolated(selection.q)}”")
    if selection.operation_id is not None:
        parts.append(_("Operation %(number)s", number=selection.operation_id))
    if selection.upload_id is not None:
        parts.append(_("Import %(number)s", number=selection.upload_id))
    return parts


def badge(view: View) -> Badge:
    if view.is_over and view.progress.failed:
        return ENDED_BADLY
    return STATES[view.operation.state]


def progress(view: View) -> str:
    """What became of the tenants, so far or in the end."""
    figures = view.progress
    if not figures.planned:
        return _("There was nothing to do.")
    sentence = _deleted if view.operation.kind == OperationKind.DELETE else _settled
    return f"{sentence(figures)} {_elsewhere(figures)}".rstrip()


def _deleted(figures: Progress) -> str:
    return _(
        "%(done)s of %(total)s deleted: %(removing)s to be dropped, %(gone)s gone.",
        done=number(figures.finished),
        total=number(figures.planned),
        removing=number(figures.removing),
        gone=number(figures.gone),
    )


def _settled(figures: Progress) -> str:
    counts = {
        "ready": number(figures.ready),
        "total": number(figures.planned),
        "failed": number(figures.failed),
    }
    if waiting := figures.planned - figures.finished:
        return _(
            "%(ready)s of %(total)s ready, %(failed)s failed again, %(waiting)s waiting.",
            waiting=number(waiting),
            **counts,
        )
    return _("%(ready)s of %(total)s ready, %(failed)s failed again.", **counts)


def _elsewhere(figures: Progress) -> str:
    if not figures.elsewhere:
        return ""
    return ngettext(
        "%(num)s was taken up by something later, or has no partition.",
        "%(num)s were taken up by something later, or have no partition.",
        figures.elsewhere,
    )


FILTERS = {
    "operation_badge": badge,
    "operation_kind": KINDS.__getitem__,
    "operation_meant": describe_selection,
    "operation_progress": progress,
    "operation_title": title,
    "skipped_word": skipped,
}
