"""The decision about a brake: what is known, and make again or wait."""

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import Page, expose, shell
from webapp.admin.lookups import is_typed, status
from webapp.admin.wording.refusals import refusal_flashed
from webapp.models.states import PartitionState


class BrakeViews(Page):
    """The page of one brake with its two decisions, and the decision after a restore."""

    @expose("/brake/")
    def brake(self) -> ResponseReturnValue:
        return self._brake_page(request.args.get("collection", ""))

    @expose("/brake/wait/", methods=("POST",))
    def wait(self) -> ResponseReturnValue:
        collection = request.form.get("collection", "")
        with refusal_flashed():
            current.services().brakes.wait(collection, actor=current.actor())
            flash(_("It is on record that you have seen it. All stays as it is."), "info")
        return self._back()

    @expose("/brake/make-again/", methods=("POST",))
    def make_again(self) -> ResponseReturnValue:
        collection = request.form.get("collection", "")
        if not is_typed(request.form.get("typed", ""), collection):
            return self._brake_page(collection, mistyped=True)
        with refusal_flashed():
            current.services().brakes.make_again(collection, actor=current.actor())
            flash(_("The next sweep makes again what is missing."), "info")
        return self._back()

    @expose("/restored/", methods=("POST",))
    def restored(self) -> ResponseReturnValue:
        """Acknowledges a restore of the database: drops go on."""
        with refusal_flashed():
            current.services().incarnations.acknowledge(actor=current.actor())
            flash(_("What is due is dropped again."), "info")
        return redirect(self.get_url("tenant.index_view", state=PartitionState.REMOVING))

    def _brake_page(self, collection: str, *, mistyped: bool = False) -> ResponseReturnValue:
        found = next(
            (each for each in shell().summary.brakes if each.collection == collection), None
        )
        if found is None:
            abort(404)
        page = self.render("admin/brake/index.html", nav="drift", brake=found, mistyped=mistyped)
        return page, status()

    def _back(self) -> ResponseReturnValue:
        return redirect(self.get_url("partitions.index", tab="drift"))
