"""Operations on many tenants: the question before, the progress, the result, and all of them."""

from typing import Any

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import Page, expose, reading, shell
from webapp.admin.lists.selection import Field, fields_of, read_causes, read_kind, read_selection
from webapp.admin.lookups import number_in
from webapp.admin.operations import labels as operation_words
from webapp.admin.reconciler import absence
from webapp.errors import CountChanged
from webapp.models.operation import OperationKind
from webapp.models.states import UNSETTLED
from webapp.operations.plan import Plan
from webapp.operations.progress import View, failed_again, find, recent
from webapp.operations.selection import Selection

SHOWN = 25


class Asking(Page):
    """A page from which something is asked for many tenants: the dry run, then the action."""

    def question(
        self, kind: OperationKind, selection: Selection | None, *, refused: bool = False
    ) -> ResponseReturnValue:
        """What it would do, by how many and why not to the others; nothing is changed yet.

        Without a selection, all that failed are meant, and each cause can be left out.
        """
        chosen = selection or Selection.of_failed()
        plan = current.services().operations.plan(kind, chosen)
        is_split = selection is None and len(plan.causes) > 1
        page = self.render(
            "admin/partitions/review.html",
            nav="partitions",
            kind=kind,
            selection=chosen,
            plan=plan,
            is_split=is_split,
            fields=_fields(kind, chosen, is_split=is_split),
            said=operation_words.would(kind, plan.accepted),
            skipped=operation_words.skipped_sentence(plan.skipped),
            start=operation_words.start(kind, plan.accepted),
            grace=current.services().policy.grace,
            short_of=_short_of(kind, plan),
            refused=refused,
        )
        return page, 422 if refused else 200

    def started(self, kind: OperationKind) -> ResponseReturnValue:
        """Starts what the form says; leads to its progress."""
        selections = _asked_for(kind)
        if not selections:
            flash(_("Nothing was ticked, so nothing was queued."), "warning")
            return redirect(self.get_url("partitions.index", tab="causes"))
        expected = _typed() if kind == OperationKind.DELETE else None
        operations = current.services().operations
        try:
            asked = [
                operations.ask(kind, each, actor=current.actor(), expected=expected)
                for each in selections
            ]
        except CountChanged:
            return self.question(kind, selections[0], refused=True)
        if len(asked) > 1:
            return redirect(self.get_url("operations.index"))
        return redirect(self.get_url("operations.show", id=asked[0].id))


class OperationsView(Asking):
    """What was asked for many tenants, and how far it is."""

    reads = frozenset({"index", "index_live", "show", "live"})

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """All operations, the newest first."""
        return self.render("admin/operation/index.html", **_recent())

    @expose("/list/live/")
    def index_live(self) -> ResponseReturnValue:
        """The part of the list that keeps itself up to date."""
        return self.render("admin/operation/_list.html", fragment=True, **_recent())

    @expose("/show/")
    def show(self) -> ResponseReturnValue:
        """One operation: how far it is, and what became of its tenants."""
        return self.render("admin/operation/show.html", **_view_data())

    @expose("/live/")
    def live(self) -> ResponseReturnValue:
        """The part of an operation's page that keeps itself up to date."""
        return self.render("admin/operation/_live.html", fragment=True, **_view_data())

    @expose("/review/")
    def review(self) -> ResponseReturnValue:
        """What an operation on a selection would do; nothing is changed yet."""
        kind = read_kind(request.args)
        return self.question(kind, read_selection(request.args, kind) or abort(404))

    @expose("/start/", methods=("POST",))
    def start(self) -> ResponseReturnValue:
        """Starts an operation that was reviewed."""
        return self.started(read_kind(request.form))

    def render(self, template: str, **kwargs: Any) -> str:
        """The template, under the heading of the operations."""
        return super().render(template, **{"nav": "operations", **kwargs})


def _recent() -> dict[str, Any]:
    before = request.args.get("before")
    page = recent(reading(), SHOWN, number_in(before) if before else None)
    return {"page": page, "before": before, "every": 2}


def _view_data() -> dict[str, Any]:
    view = find(reading(), number_in(request.args.get("id"))) or abort(404)
    return {
        "view": view,
        "selection": Selection.from_json(view.operation.selection),
        "again": failed_again(reading(), view.operation.id) if view.progress.failed else [],
        "absent": None if view.is_over else absence(reading()),
        "every": 2,
        "can_keep": _can_keep(view),
    }


def _can_keep(view: View) -> bool:
    return view.operation.kind == OperationKind.DELETE and view.progress.removing > 0


def _asked_for(kind: OperationKind) -> list[Selection]:
    """What the form means. Everybody is never meant by leaving something out."""
    if request.form.get("scope") == "causes":
        return read_causes(request.form)
    return [read_selection(request.form, kind) or abort(400)]


def _typed() -> int:
    """The number that was typed, whatever stands between its digits; 400 without the field."""
    typed = request.form.get("typed")
    if typed is None:
        abort(400)
    digits = "".join(filter(str.isdigit, typed))
    return int(digits) if digits.isascii() and 0 < len(digits) < 10 else -1


def _fields(kind: OperationKind, selection: Selection, *, is_split: bool) -> list[Field]:
    """The hidden fields of the form; causes that can be left out are fields of their own."""
    chosen = [("scope", "causes")] if is_split else fields_of(selection)
    return [("kind", str(kind)), *chosen]


def _short_of(kind: OperationKind, plan: Plan) -> int:
    """How many more partitions would be asked for than the collection has room for."""
    if kind not in {OperationKind.REQUEST, OperationKind.RETRY}:
        return 0
    counts = shell().summary
    left = counts.collections[0].left
    if left is None:
        return 0
    on_their_way = sum(counts.states[state] for state in UNSETTLED)
    return max(plan.accepted + on_their_way - left, 0)
