"""Acknowledges that a tenant's rows may be lost."""

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import Page, expose
from webapp.admin.lookups import number_in
from webapp.admin.wording.refusals import refusal_flashed


class LossViews(Page):
    """The view that takes the mark off a partition that was lost and made again."""

    @expose("/acknowledge/", methods=("POST",))
    def acknowledge(self) -> ResponseReturnValue:
        tenant_id = number_in(request.form.get("tenant_id"))
        with refusal_flashed():
            current.services().losses.acknowledge(tenant_id, actor=current.actor())
            flash(_("The possible loss of rows is acknowledged."), "info")
        return redirect(self.get_url(".details_view", id=tenant_id))
