"""The page of partitions: failures by cause, all partitions, drift, queues and workers."""

from dataclasses import replace
from typing import Any

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import expose, is_late, reading, shell
from webapp.admin.lists.actions import listed
from webapp.admin.lists.filters import read_choice
from webapp.admin.lists.selection import read_selection
from webapp.admin.operations.views import OperationStarter
from webapp.admin.partitions.brake import BrakeViews
from webapp.admin.partitions.drift import drift_data
from webapp.admin.partitions.orphans import OrphanViews
from webapp.admin.queues.throughput import queue_data
from webapp.admin.wording.times import clock
from webapp.db.types import utc_now
from webapp.models.operation import OperationKind
from webapp.operations.progress import last_retries
from webapp.partitions.failures import families, longest_waiting
from webapp.partitions.isolation_checks import request_check

RETRY = OperationKind.RETRY
TABS = ("causes", "all", "drift", "queues")
# Parameters of the list.
LIST_PARAMETERS = ("state", "cause", "search", "operation", "upload", "page")


class PartitionsView(BrakeViews, OrphanViews, OperationStarter):
    """The partitions of all tenants, and the retry of failures."""

    reads = frozenset({"index", "live", "brake", "orphan", "orphan_live"})
    nav = "partitions"

    @expose("/")
    def index(self) -> ResponseReturnValue:
        return self.render("admin/partitions/index.html", **_figures())

    @expose("/live/")
    def live(self) -> ResponseReturnValue:
        return self.render("admin/partitions/_live.html", fragment=True, **_figures())

    @expose("/review/")
    def review(self) -> ResponseReturnValue:
        return self.review_page(RETRY, read_selection(request.args, RETRY))

    @expose("/retry/", methods=("POST",))
    def retry(self) -> ResponseReturnValue:
        """Starts the retry of a selection; each tenant is checked again when it is taken."""
        return self.start_operation(RETRY)

    @expose("/isolation/", methods=("POST",))
    def isolation(self) -> ResponseReturnValue:
        collection = current.settings().milvus_collection
        if request_check(current.database(), collection, actor=current.actor()):
            text = _("A check of the isolation was asked for at %(time)s.", time=clock(utc_now()))
            flash(text, "info")
        else:
            flash(_("Milvus has not been observed yet. Does the reconciler run?"), "warning")
        return redirect(self.get_url(".index", tab="drift"))


def _figures() -> dict[str, Any]:
    tab = _tab()
    choice = replace(read_choice(request.args), tab=tab)
    figures: dict[str, Any] = {"tab": tab, "choice": choice, "stuck": is_late}
    if tab == "all":
        figures |= listed(choice)
    if tab == "drift":
        figures |= drift_data(
            reading(),
            shell().summary,
            current.settings(),
            current.services().policy,
        )
        figures["nav"] = "drift"
    if tab == "queues":
        figures |= queue_data(reading())
    if tab == "causes":
        failures = families(reading())
        figures["families"] = failures
        causes = [each.cause for each in failures]
        figures["last_retries"] = last_retries(reading(), causes)
        figures["named"] = longest_waiting(reading(), causes)
    return figures


def _tab() -> str:
    tab = request.args.get("tab", "")
    if tab in TABS:
        return tab
    is_filtered = any(name in request.args for name in LIST_PARAMETERS)
    return "causes" if shell().summary.states["failed"] and not is_filtered else "all"
