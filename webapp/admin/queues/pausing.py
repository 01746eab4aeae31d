"""Pausing and resuming all provisioning."""

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp import current
from webapp.admin.base import Page, expose, reading
from webapp.admin.lookups import status
from webapp.admin.wording.refusals import sentence
from webapp.errors import DomainError
from webapp.partitions.pause import MAX_REASON_LENGTH, under_way


class PausingView(Page):
    """The two actions; every page shows a pause."""

    nav = "partitions"

    @expose("/", methods=("GET", "POST"))
    def index(self) -> ResponseReturnValue:
        """Explains the pause and asks for a reason, then pauses."""
        refusal = ""
        if request.method == "POST":
            try:
                current.services().pauses.pause(request.form.get("reason"), actor=current.actor())
            except DomainError as error:
                refusal = sentence(error)
            else:
                flash(_("Provisioning is paused. Sign-ups go on, and wait."), "info")
                return redirect(url_for("partitions.index", tab="queues"))
        return self.render(
            "admin/pausing/pause.html",
            refusal=refusal,
            reason=request.form.get("reason", ""),
            max_length=MAX_REASON_LENGTH,
            under_way=under_way(reading()),
        ), status()

    @expose("/resume/", methods=("POST",))
    def resume(self) -> ResponseReturnValue:
        if current.services().pauses.resume(actor=current.actor()):
            flash(_("Provisioning goes on. All that waited is on its way."), "success")
        else:
            flash(_("Provisioning was not paused any more."), "info")
        return redirect(url_for("partitions.index", tab="queues"))
