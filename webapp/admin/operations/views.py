"""The pages of operations: the dry run, the progress, the result, the list."""

from typing import Any

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import Page, expose, reading, shell
from webapp.admin.lists.selection import Field, fields_of, read_causes, read_kind, read_selection
from webapp.admin.lookups import number_in
from webapp.admin.operations import labels as operation_words
from webapp.errors import CountChanged
from webapp.models.operation import OperationKind
from webapp.models.states import UNSETTLED
from webapp.operations.plan import Plan
from webapp.operations.progress import View, failed_again, find, recent
from webapp.operations.selection import Selection
from webapp.texts import whole_number

SHOWN = 25


class OperationStarter(Page):
    """A page that starts operations: the dry run, then the action."""

    def review_page(
        self, kind: OperationKind, selection: Selection | None, *, refused: bool = False
    ) -> ResponseReturnValue:
        """The dry run, which changes nothing; without a selection, of all failures by cause."""
        effective = selection or Selection.of_failed()
        plan = current.services().operations.plan(kind, effective)
        is_split = selection is None and len(plan.causes) > 1
        page = self.render(
            "admin/partitions/review.html",
            nav="partitions",
            kind=kind,
            selection=effective,
            plan=plan,
            is_split=is_split,
            fields=_fields(kind, effective, is_split=is_split),
            dry_run=operation_words.WOULD[kind](plan.accepted),
            skipped=operation_words.skipped_sentence(plan.skipped),
            start=operation_words.START[kind](plan.accepted),
            grace=current.services().policy.grace,
            short_of=_short_of(kind, plan),
            refused=refused,
        )
        return page, 422 if refused else 200

    def start_operation(self, kind: OperationKind) -> ResponseReturnValue:
        """Start the operation in the form; leads to its progress."""
        selections = _selections(kind)
        if not selections:
            flash(_("Nothing was ticked, so nothing was queued."), "warning")
            return redirect(self.get_url("partitions.index", tab="causes"))
        expected = _typed_number() if kind == OperationKind.DELETE else None
        operations = current.services().operations
        try:
            operations_started = [
                operations.ask(kind, each, actor=current.actor(), expected=expected)
                for each in selections
            ]
        except CountChanged:
            return self.review_page(kind, selections[0], refused=True)
        if len(operations_started) > 1:
            return redirect(self.get_url("operations.index"))
        return redirect(self.get_url("operations.show", id=operations_started[0].id))


class OperationsView(OperationStarter):
    reads = frozenset({"index", "index_live", "show", "live"})
    nav = "operations"

    @expose("/")
    def index(self) -> ResponseReturnValue:
        return self.render("admin/operation/index.html", **_recent())

    @expose("/list/live/")
    def index_live(self) -> ResponseReturnValue:
        return self.render("admin/operation/_list.html", fragment=True, **_recent())

    @expose("/show/")
    def show(self) -> ResponseReturnValue:
        return self.render("admin/operation/show.html", **_view_data())

    @expose("/live/")
    def live(self) -> ResponseReturnValue:
        return self.render("admin/operation/_live.html", fragment=True, **_view_data())

    @expose("/review/")
    def review(self) -> ResponseReturnValue:
        kind = read_kind(request.args)
        return self.review_page(kind, read_selection(request.args, kind) or abort(404))

    @expose("/start/", methods=("POST",))
    def start(self) -> ResponseReturnValue:
        return self.start_operation(read_kind(request.form))


def _recent() -> dict[str, Any]:
    before = request.args.get("before")
    page = recent(reading(), SHOWN, number_in(before) if before else None)
    return {"page": page, "before": before}


def _view_data() -> dict[str, Any]:
    view = find(reading(), number_in(request.args.get("id"))) or abort(404)
    return {
        "view": view,
        "selection": Selection.from_json(view.operation.selection),
        "again": failed_again(reading(), view.operation.id) if view.progress.failed else {},
        "needs_reconciler": not view.is_over,
        "can_keep": _can_keep(view),
    }


def _can_keep(view: View) -> bool:
    return view.operation.kind == OperationKind.DELETE and view.progress.removing > 0


def _selections(kind: OperationKind) -> list[Selection]:
    """The selections in the form. A missing field never means all tenants."""
    if request.form.get("scope") == "causes":
        return read_causes(request.form)
    return [read_selection(request.form, kind) or abort(400)]


def _typed_number() -> int:
    """The typed number, with any separators; 400 without the field."""
    text = request.form.get("typed")
    if text is None:
        abort(400)
    number = whole_number("".join(filter(str.isdigit, text)))
    return -1 if number is None else number


def _fields(kind: OperationKind, selection: Selection, *, is_split: bool) -> list[Field]:
    """The hidden fields of the form; with several causes, each is a field of its own."""
    fields = [("scope", "causes")] if is_split else fields_of(selection)
    return [("kind", str(kind)), *fields]


def _short_of(kind: OperationKind, plan: Plan) -> int:
    if kind not in {OperationKind.REQUEST, OperationKind.RETRY}:
        return 0
    counts = shell().summary
    free = counts.collections[0].left
    if free is None:
        return 0
    on_their_way = sum(counts.states[state] for state in UNSETTLED)
    return max(plan.accepted + on_their_way - free, 0)
