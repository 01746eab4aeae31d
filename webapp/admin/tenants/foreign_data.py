"""Rows that may be somebody else's: adopted, or destroyed, by an operator's decision."""

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import Records, expose
from webapp.admin.lookups import asked, is_typed, number_in, status
from webapp.admin.wording.refusals import sentence
from webapp.errors import DomainError
from webapp.models.tenant import Tenant


class Deciding(Records):
    """The part of the tenants' pages that decides about a partition with foreign data."""

    @expose("/adopt/", methods=("POST",))
    def adopt(self) -> ResponseReturnValue:
        """Takes the rows for the tenant's own."""
        tenant_id = number_in(request.form.get("tenant_id"))
        try:
            current.services().foreign.adopt(tenant_id, actor=current.actor())
        except DomainError as error:
            flash(sentence(error), "danger")
        else:
            said = _("The rows are being adopted. The timeline says how many there were.")
            flash(said, "info")
        return redirect(self.get_url(".details_view", id=tenant_id))

    @expose("/empty/", methods=("GET", "POST"))
    def empty(self) -> ResponseReturnValue:
        """Asks with name, partition and rows, then has the rows destroyed."""
        tenant = asked()
        foreign = current.services().foreign
        try:
            seen = foreign.rows_seen(tenant.id)
            if request.method != "POST" or not _is_confirmed(tenant):
                return self._question(tenant, seen)
            foreign.empty(tenant.id, actor=current.actor())
        except DomainError as error:
            flash(sentence(error), "danger")
        else:
            flash(_("The rows are being destroyed; the partition is made anew."), "info")
        return redirect(self.get_url(".details_view", id=tenant.id))

    def _question(self, tenant: Tenant, seen: str) -> ResponseReturnValue:
        mistyped = request.method == "POST"
        page = self.render("admin/tenant/empty.html", model=tenant, seen=seen, mistyped=mistyped)
        return page, status()


def _is_confirmed(tenant: Tenant) -> bool:
    return is_typed(request.form.get("typed", ""), tenant.name)
