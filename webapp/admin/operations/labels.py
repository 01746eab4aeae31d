"""The panel's words for operations on many tenants."""

from collections.abc import Callable, Mapping

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from webapp.admin.wording.labels import CAUSES, Badge, state_word
from webapp.admin.wording.markup import isolated
from webapp.admin.wording.units import number
from webapp.models.operation import OperationKind, OperationState
from webapp.operations.plan import (
    CHANGED,
    DROPPING,
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
}

STATES = {
    OperationState.RUNNING: Badge(_l("starting"), "arrows", "info"),
    OperationState.FINISHED: Badge(_l("under way"), "arrows", "info"),
    OperationState.SETTLED: Badge(_l("done"), "check", "success"),
}
ENDED_BADLY = Badge(_l("done, some failed again"), "octagon", "danger")

Counted = Callable[[int], str]


def _of(kind: OperationKind, forms: Mapping[OperationKind, Counted], count: int) -> str:
    return str(forms[kind](count))


TITLES: dict[OperationKind, Counted] = {
    _K.RETRY: lambda n: ngettext("Retry of %(num)s tenant", "Retry of %(num)s tenants", n),
    _K.REQUEST: lambda n: ngettext(
        "Partition for %(num)s tenant", "Partitions for %(num)s tenants", n
    ),
    _K.BACKFILL: lambda n: ngettext("Backfill of %(num)s tenant", "Backfill of %(num)s tenants", n),
    _K.DELETE: lambda n: ngettext("Deletion of %(num)s tenant", "Deletion of %(num)s tenants", n),
    _K.RESTORE: lambda n: ngettext("%(num)s tenant called back", "%(num)s tenants called back", n),
}

WOULD: dict[OperationKind, Counted] = {
    _K.RETRY: lambda n: ngettext("%(num)s will be queued.", "%(num)s will be queued.", n),
    _K.REQUEST: lambda n: ngettext(
        "%(num)s partition will be requested.", "%(num)s partitions will be requested.", n
    ),
    _K.DELETE: lambda n: ngettext(
        "%(num)s tenant will be deleted.", "%(num)s tenants will be deleted.", n
    ),
    _K.RESTORE: lambda n: ngettext(
        "%(num)s tenant will be kept.", "%(num)s tenants will be kept.", n
    ),
}

START: dict[OperationKind, Counted] = {
    _K.RETRY: lambda n: ngettext("Queue %(num)s retry", "Queue %(num)s retries", n),
    _K.REQUEST: lambda n: ngettext("Request %(num)s partition", "Request %(num)s partitions", n),
    _K.DELETE: lambda n: ngettext("Delete %(num)s tenant", "Delete %(num)s tenants", n),
    _K.RESTORE: lambda n: ngettext("Keep %(num)s tenant", "Keep %(num)s tenants", n),
}

# Reasons of skipped tenants.
SKIPPED: dict[str, Counted] = {
    WAITING: lambda n: ngettext("%(num)s waits already", "%(num)s wait already", n),
    PERMANENT: lambda n: ngettext(
        "%(num)s failed for a cause that no retry cures",
        "%(num)s failed for causes that no retry cures",
        n,
    ),
    OTHER_CAUSE: lambda n: ngettext(
        "%(num)s failed for another cause", "%(num)s failed for other causes", n
    ),
    "pending": lambda n: ngettext("%(num)s waits already", "%(num)s wait already", n),
    "provisioning": lambda n: ngettext("%(num)s runs already", "%(num)s run already", n),
    "ready": lambda n: ngettext("%(num)s is ready", "%(num)s are ready", n),
    "failed": lambda n: ngettext("%(num)s failed", "%(num)s failed", n),
    "removing": lambda n: ngettext("%(num)s is being removed", "%(num)s are being removed", n),
    "removed": lambda n: ngettext("%(num)s is removed", "%(num)s are removed", n),
    WITHOUT_REQUEST: lambda n: ngettext(
        "%(num)s was never requested", "%(num)s were never requested", n
    ),
    DROPPING: lambda n: ngettext(
        "%(num)s is being dropped already", "%(num)s are being dropped already", n
    ),
    UNKNOWN: lambda n: ngettext("%(num)s does not exist", "%(num)s do not exist", n),
    CHANGED: lambda n: ngettext("%(num)s changed meanwhile", "%(num)s changed meanwhile", n),
}


def title(view: View) -> str:
    return _of(view.operation.kind, TITLES, view.progress.planned)


def would(kind: OperationKind, count: int) -> str:
    """The first sentence of a dry run."""
    return _of(kind, WOULD, count)


def start(kind: OperationKind, count: int) -> str:
    return _of(kind, START, count)


def skipped(reason: str, count: int) -> str:
    """How many were skipped for this reason."""
    sentence = SKIPPED.get(reason)
    return str(sentence(count)) if sentence else f"{number(count)} {reason}"


def skipped_sentence(counts: Mapping[str, int]) -> str:
    """How many are skipped, and why; empty for none."""
    if not counts:
        return ""
    reasons = ", ".join(skipped(reason, counts[reason]) for reason in sorted(counts))
    count = sum(counts.values())
    return str(_("%(count)s skipped: %(reasons)s.", count=number(count), reasons=reasons))


def describe_selection(selection: Selection) -> str:
    if selection.tenant_ids is not None:
        return str(
            ngettext(
                "%(num)s selected tenant", "%(num)s selected tenants", len(selection.tenant_ids)
            )
        )
    parts = _parts(selection)
    return str(_("All that match: %(filter)s", filter=" · ".join(parts))) if parts else _("All")


def _parts(selection: Selection) -> list[str]:
    parts = []
    if selection.state:
        parts.append(state_word(selection.state))
    if selection.not_requested:
        parts.append(str(_("Not requested")))
    if selection.cause:
        parts.append(str(CAUSES[selection.cause]))
    if selection.q:
        parts.append(f"“{isolated(selection.q)}”")
    if selection.operation_id is not None:
        parts.append(str(_("Operation %(number)s", number=selection.operation_id)))
    return parts


def badge(view: View) -> Badge:
    if view.is_over and view.progress.failed:
        return ENDED_BADLY
    return STATES[view.operation.state]


def progress(view: View) -> str:
    figures = view.progress
    if not figures.planned:
        return str(_("There was nothing to do."))
    counts = {"done": number(figures.finished), "total": number(figures.planned)}
    if view.operation.kind == OperationKind.DELETE:
        return str(
            _(
                "%(done)s of %(total)s deleted: %(removing)s to be dropped, %(gone)s gone.",
                removing=number(figures.removing),
                gone=number(figures.gone),
                **counts,
            )
        )
    return _finished(figures, counts)


def _finished(figures: Progress, counts: dict[str, str]) -> str:
    waiting = figures.planned - figures.finished
    counts |= {"ready": number(figures.ready), "failed": number(figures.failed)}
    if not waiting:
        return str(
            _("%(done)s of %(total)s finished: %(ready)s ready, %(failed)s failed again.", **counts)
        )
    return str(
        _(
            "%(done)s of %(total)s finished: %(ready)s ready, %(failed)s failed again, "
            "%(waiting)s waiting.",
            waiting=number(waiting),
            **counts,
        )
    )


FILTERS = {
    "operation_badge": badge,
    "operation_kind": KINDS.__getitem__,
    "operation_meant": describe_selection,
    "operation_progress": progress,
    "operation_title": title,
    "skipped_word": skipped,
}
