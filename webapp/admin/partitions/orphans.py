"""The page of an orphan: its rows, and the decisions about it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import Page, expose, reading
from webapp.admin.lookups import is_typed, status
from webapp.admin.tenants.views import TenantForm, saved
from webapp.admin.wording.markup import isolated
from webapp.admin.wording.refusals import refusal_flashed
from webapp.models.observed import PartitionDrift
from webapp.models.orphan import OrphanRequest
from webapp.models.states import OrphanAction
from webapp.partitions.orphans import KINDS, why_not_droppable
from webapp.partitions.pause import MAX_REASON_LENGTH
from webapp.tenants.adoption import why_not_adoptable
from webapp.texts import is_storable

WATCHED_S, SETTLED_S = 1, 5


class OrphanViews(Page):
    """The views about one orphan; each names it by `collection` and `partition`."""

    @expose("/orphan/")
    def orphan(self) -> ResponseReturnValue:
        return self._page()

    @expose("/orphan/live/")
    def orphan_live(self) -> ResponseReturnValue:
        return self.render("admin/partitions/_orphan.html", fragment=True, **_figures())

    @expose("/orphan/count/", methods=("POST",))
    def orphan_count(self) -> ResponseReturnValue:
        return self._decide(current.services().orphans.count)

    @expose("/orphan/acknowledge/", methods=("POST",))
    def orphan_acknowledge(self) -> ResponseReturnValue:
        decide = partial(current.services().orphans.acknowledge, reason=request.form.get("reason"))
        return self._decide(decide, _("It is kept, and no drift any more."))

    @expose("/orphan/take-back/", methods=("POST",))
    def orphan_take_back(self) -> ResponseReturnValue:
        return self._decide(current.services().orphans.take_back)

    @expose("/orphan/adopt/", methods=("POST",))
    def orphan_adopt(self) -> ResponseReturnValue:
        """Makes a tenant of it; leads to its details, or shows what is wrong at its field."""
        form = TenantForm(request.form)
        tenant = saved(form, partial(current.services().adoption.adopt, *_place()))
        if tenant is None:
            return self._page(form=form)
        name = isolated(tenant.name)
        flash(_("%(name)s was made of it. Its rows are being adopted.", name=name), "success")
        return redirect(self.get_url("tenant.details_view", id=tenant.id))

    @expose("/orphan/drop/", methods=("POST",))
    def orphan_drop(self) -> ResponseReturnValue:
        _collection, name = _place()
        if not is_typed(request.form.get("typed", ""), name):
            return self._page(mistyped=True)
        return self._decide(partial(current.services().orphans.drop, typed=name))

    def _page(self, **more: Any) -> ResponseReturnValue:
        figures = {"form": TenantForm(), "mistyped": False, **_figures(), **more}
        page = self.render(
            "admin/partitions/orphan.html", longest_reason=MAX_REASON_LENGTH, **figures
        )
        return page, status()

    def _decide(self, decide: Callable[..., Any], done: str = "") -> ResponseReturnValue:
        collection, name = _place()
        with refusal_flashed():
            decide(collection, name, actor=current.actor())
            if done:
                flash(done, "info")
        return redirect(self.get_url(".orphan", collection=collection, partition=name), 303)


def _place() -> tuple[str, str]:
    """The collection and the partition in the address or the form; 404 without them."""
    collection, name = (request.values.get(part, "") for part in ("collection", "partition"))
    if not collection or not name or not is_storable(collection + name):
        abort(404)
    return collection, name


def _figures() -> dict[str, Any]:
    """The orphan, None once it is gone, and the last request about it; 404 without either."""
    place, session = _place(), reading()
    orphan = session.get(PartitionDrift, place)
    if orphan is not None and orphan.kind not in KINDS:
        orphan = None
    asked = session.get(OrphanRequest, place)
    if orphan is None and asked is None:
        abort(404)
    waits = asked is not None and asked.finished_at is None
    return {
        "place": place,
        "orphan": orphan,
        "asked": asked,
        "waits": waits,
        "drops": waits and asked is not None and asked.action == OrphanAction.DROP,
        "unadoptable": orphan and why_not_adoptable(session, orphan),
        "undroppable": orphan and why_not_droppable(session, *place),
        "needs_reconciler": waits,
        "every": WATCHED_S if waits else SETTLED_S,
        "nav": "drift",
    }
