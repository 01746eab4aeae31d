"""The partitions page: state of every tenant, failures by cause, queues, workers, retries."""

from collections.abc import Mapping
from typing import Any

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from webapp import current
from webapp.admin.base import Page, audit, expose, reading, shell
from webapp.admin.drift import drift_figures
from webapp.admin.listing import read_choice, tenants_page
from webapp.database import utc_now
from webapp.tenants.causes import Cause
from webapp.tenants.failures import FailedSelection, families
from webapp.tenants.models import Tenant
from webapp.tenants.states import PartitionState
from webapp.tenants.stuck import is_stuck

TABS = ("all", "causes", "drift", "queues")
PAGE_SIZE = 50
MOST_SELECTED = 1000

# What a dry run says of those that would not be queued.
SKIPPED = {
    "pending": "already waiting",
    "provisioning": "already running",
    "ready": "now ready",
    "removing": "being removed",
    "removed": "removed",
    "unknown": "without a partition",
    "other_cause": "failed for another cause",
    "changed": "changed meanwhile",
}


class PartitionsView(Page):
    """Every tenant's partition, and what can be done about those that failed."""

    reads = frozenset({"index", "live"})

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The page, on the tab and with the filters that its address names."""
        return self.render("admin/partitions/index.html", **_figures())

    @expose("/live/")
    def live(self) -> ResponseReturnValue:
        """The part of the page that keeps itself up to date."""
        return self.render("admin/partitions/_live.html", fragment=True, **_figures())

    @expose("/review/")
    def review(self) -> ResponseReturnValue:
        """What a retry of many would do; nothing is changed yet."""
        selection = _selection(request.args)
        report = current.tenants().retry_failed(selection, actor=current.actor(), dry_run=True)
        return self.render(
            "admin/partitions/review.html",
            nav="partitions",
            selection=selection,
            report=report,
            skipped=_skipped(report.skipped),
            groups=families(reading()) if selection == FailedSelection() else [],
        )

    @expose("/retry/", methods=("POST",))
    def retry(self) -> ResponseReturnValue:
        """Queues the failed of a selection; each is looked at again when it is rung."""
        selections = _selections(request.form)
        tenants = current.tenants()
        reports = [tenants.retry_failed(each, actor=current.actor()) for each in selections]
        queued = sum(report.queued for report in reports)
        audit(
            "partitions.retry",
            queued=queued,
            causes=[str(each.cause) for each in selections],
        )
        flash(_said(queued), "info" if queued else "warning")
        return redirect(self.get_url(".index"))

    @expose("/isolation/", methods=("POST",))
    def isolation(self) -> ResponseReturnValue:
        """Has the isolation of partitions checked as soon as the reconciler looks."""
        collection = current.settings().milvus_collection
        if current.domain().canaries.ask(collection, actor=current.actor()):
            audit("partitions.check_isolation", collection=collection)
            flash(f"A check of the isolation was asked for at {utc_now():%H:%M:%S} UTC.", "info")
        else:
            flash("Nobody has looked at Milvus yet. Does the reconciler run?", "warning")
        return redirect(self.get_url(".index", tab="drift"))

    def render(self, template: str, **kwargs: Any) -> str:
        """The template, under the heading of the partitions."""
        return super().render(template, **{"nav": "partitions", **kwargs})


def _figures() -> dict[str, Any]:
    tab = request.args.get("tab", "all")
    choice = read_choice(request.args)
    rules = current.domain().rules
    figures: dict[str, Any] = {
        "tab": tab if tab in TABS else "all",
        "choice": choice,
        "every": 2,
        "stuck": lambda partition: is_stuck(partition, rules),
    }
    if figures["tab"] == "all":
        figures["found"] = tenants_page(reading(), choice, shell().summary, PAGE_SIZE)
        figures["retryable"] = _retryable(figures["found"].items)
    if figures["tab"] == "drift":
        figures |= drift_figures(reading(), shell().summary, current.settings(), rules)
        figures |= {"nav": "drift", "every": 5}
    if figures["tab"] == "causes":
        figures["families"] = families(reading())
    return figures


def _retryable(tenants: Any) -> int:
    return sum(_has_failed(tenant) for tenant in tenants)


def _has_failed(tenant: Tenant) -> bool:
    partition = tenant.partition
    return partition is not None and partition.state == PartitionState.FAILED


def _selection(values: MultiDict[str, str]) -> FailedSelection:
    """The failed tenants that a form names: by number, by cause, or all of them."""
    if values.get("scope") == "selected":
        numbers = [
            int(n) for n in values.getlist("id") if n.isascii() and n.isdigit() and len(n) < 16
        ]
        return FailedSelection(tenant_ids=tuple(sorted(set(numbers)))[:MOST_SELECTED])
    cause = values.get("cause") or None
    if cause not in {None, *Cause}:
        abort(404)
    return FailedSelection(cause=Cause(cause) if cause else None)


def _selections(form: MultiDict[str, str]) -> list[FailedSelection]:
    """What is to be queued. All that failed are never meant by leaving something out."""
    if form.get("scope") == "causes":
        ticked = [code for code in form.getlist("causes") if code in set(Cause)]
        return [FailedSelection(cause=Cause(code)) for code in ticked]
    selection = _selection(form)
    if selection == FailedSelection():
        abort(400)
    return [selection]


def _skipped(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    if not total:
        return ""
    parts = [f"{count} {SKIPPED.get(state, state)}" for state, count in sorted(counts.items())]
    return f"{total} skipped: {', '.join(parts)}."


def _said(queued: int) -> str:
    if queued == 0:
        return "Nothing was queued: none of them is failed any more."
    return f"{queued} {'retry' if queued == 1 else 'retries'} queued."
