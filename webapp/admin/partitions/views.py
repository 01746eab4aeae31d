"""The partitions page: state of every tenant, failures by cause, queues, workers, retries."""

from dataclasses import replace
from typing import Any

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import expose, reading, shell
from webapp.admin.lists.actions import selecting
from webapp.admin.lists.filters import Choice, read_choice, tenants_page
from webapp.admin.lists.selection import read_selection
from webapp.admin.operations.views import Asking
from webapp.admin.partitions.drift import drift_data
from webapp.admin.queues.throughput import queue_data
from webapp.admin.wording.times import clock
from webapp.db.types import utc_now
from webapp.models.operation import OperationKind
from webapp.operations.progress import last_retries
from webapp.partitions.failures import families, longest_failed
from webapp.partitions.isolation_checks import request_check
from webapp.partitions.stuck import is_stuck

RETRY = OperationKind.RETRY
TABS = ("causes", "all", "drift", "queues")
# What in an address asks for the list.
OF_THE_LIST = ("state", "cause", "search", "operation", "page")
PAGE_SIZE = 50


class PartitionsView(Asking):
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
        return self.question(RETRY, read_selection(request.args, RETRY))

    @expose("/retry/", methods=("POST",))
    def retry(self) -> ResponseReturnValue:
        """Starts the retry of a selection; each is looked at again when it is dispatched."""
        return self.started(RETRY)

    @expose("/isolation/", methods=("POST",))
    def isolation(self) -> ResponseReturnValue:
        """Has the isolation of partitions checked as soon as the reconciler looks."""
        collection = current.settings().milvus_collection
        if request_check(current.database(), collection, actor=current.actor()):
            said = _("A check of the isolation was asked for at %(time)s.", time=clock(utc_now()))
            flash(said, "info")
        else:
            flash(_("Nobody has looked at Milvus yet. Does the reconciler run?"), "warning")
        return redirect(self.get_url(".index", tab="drift"))

    def render(self, template: str, **kwargs: Any) -> str:
        """The template, under the heading of the partitions."""
        return super().render(template, **{"nav": "partitions", **kwargs})


def _figures() -> dict[str, Any]:
    tab = _tab()
    choice = replace(read_choice(request.args), tab=tab)
    policy = current.services().policy
    figures: dict[str, Any] = {
        "tab": tab,
        "choice": choice,
        "every": 2,
        "stuck": lambda partition: is_stuck(partition, policy, shell().summary.last_pause),
    }
    if tab == "all":
        figures |= _listed(choice)
    if tab == "drift":
        figures |= drift_data(reading(), shell().summary, current.settings(), policy)
        figures["nav"] = "drift"
    if tab == "queues":
        figures |= queue_data(reading())
    if tab == "causes":
        found = families(reading())
        figures["families"] = found
        causes = [each.cause for each in found]
        figures["last_retries"] = last_retries(reading(), causes)
        figures["named"] = longest_failed(reading(), causes)
    return figures


def _tab() -> str:
    """The tab that was asked for; without one, what failed where something has."""
    tab = request.args.get("tab", "")
    if tab in TABS:
        return tab
    is_filtered = any(name in request.args for name in OF_THE_LIST)
    return "causes" if shell().summary.states["failed"] and not is_filtered else "all"


def _listed(choice: Choice) -> dict[str, Any]:
    found = tenants_page(reading(), choice, shell().summary, PAGE_SIZE)
    return selecting(choice, found, shell().summary)
