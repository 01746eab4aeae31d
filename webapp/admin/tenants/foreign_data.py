"""Foreign data: rows that an operator adopts or destroys."""

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import Page, expose
from webapp.admin.lookups import find_tenant, is_typed, number_in, status
from webapp.admin.wording.refusals import refusal_flashed
from webapp.models.tenant import Tenant


class ForeignDataViews(Page):
    """The views that decide about foreign data."""

    @expose("/adopt/", methods=("POST",))
    def adopt(self) -> ResponseReturnValue:
        tenant_id = number_in(request.form.get("tenant_id"))
        with refusal_flashed():
            current.services().foreign.adopt(tenant_id, actor=current.actor())
            message = _("The rows are being adopted. The timeline says how many there were.")
            flash(message, "info")
        return redirect(self.get_url(".details_view", id=tenant_id))

    @expose("/empty/", methods=("GET", "POST"))
    def empty(self) -> ResponseReturnValue:
        """Asks with name, partition and rows, then destroys the rows."""
        tenant = find_tenant()
        foreign = current.services().foreign
        with refusal_flashed():
            seen = foreign.rows_seen(tenant.id)
            if request.method != "POST" or not _is_confirmed(tenant):
                return self._question(tenant, seen)
            foreign.empty(tenant.id, actor=current.actor())
            flash(_("The rows are being destroyed; the partition is made anew."), "info")
        return redirect(self.get_url(".details_view", id=tenant.id))

    def _question(self, tenant: Tenant, seen: str) -> ResponseReturnValue:
        mistyped = request.method == "POST"
        page = self.render("admin/tenant/empty.html", model=tenant, seen=seen, mistyped=mistyped)
        return page, status()


def _is_confirmed(tenant: Tenant) -> bool:
    return is_typed(request.form.get("typed", ""), tenant.name)
