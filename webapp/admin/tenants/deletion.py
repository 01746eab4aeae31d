"""Deletion of a tenant in the panel: delete, call back, and the record of it."""

from typing import Any

from flask import Response, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import TypeAdapter

from webapp import current
from webapp.admin.base import Page, expose, reading
from webapp.admin.lookups import find_tenant, is_typed, number_in, status
from webapp.admin.wording.markup import isolated
from webapp.admin.wording.refusals import refusal_flashed
from webapp.db.types import utc_now
from webapp.models.tenant import Tenant
from webapp.tenants.queries import DepartureRecord, departure_of, get_tenant

RECORD = TypeAdapter(DepartureRecord)


class DeletionViews(Page):
    """The views of a tenant's pages that delete it, and call it back."""

    @expose("/delete/", methods=("GET", "POST"))
    def delete_view(self) -> ResponseReturnValue:
        """Asks with name and consequence, then deletes."""
        tenant = find_tenant()
        # The page's form always has the field; scripts may send none.
        text = request.form.get("typed")
        if request.method != "POST" or not (text is None or is_typed(text, tenant.name)):
            return self.render("admin/tenant/delete.html", **_consequence(tenant)), status()
        with refusal_flashed():
            current.tenants().delete(tenant.id, actor=current.actor())
            _say_deleted(tenant)
        return redirect(self.get_url(".details_view", id=tenant.id))

    @expose("/restore/", methods=("POST",))
    def restore(self) -> ResponseReturnValue:
        """Calls a deleted tenant back, or shows that it is too late."""
        tenant_id = number_in(request.form.get("tenant_id"))
        before = get_tenant(reading(), tenant_id)
        with refusal_flashed():
            tenant = current.tenants().restore(tenant_id, actor=current.actor())
            flash(_stays(tenant, before), "success")
        return redirect(self.get_url(".details_view", id=tenant_id))

    @expose("/departure/")
    def departure(self) -> ResponseReturnValue:
        """The record of the deletion as a file, the same as the API's."""
        record = departure_of(reading(), find_tenant().id)
        if record is None:
            abort(404)
        saved_as = f"attachment; filename=tenant-{record.tenant_id}-departure.json"
        text = RECORD.dump_json(record, indent=2)
        return Response(text, 200, {"Content-Disposition": saved_as}, "application/json")


def _consequence(tenant: Tenant) -> dict[str, Any]:
    grace = current.services().policy.grace
    return {
        "model": tenant,
        "grace": grace,
        "dropped_at": utc_now() + grace,
        "owns_rows": tenant.partition.owns_rows,
        "mistyped": request.method == "POST",
    }


def _say_deleted(tenant: Tenant) -> None:
    name = isolated(tenant.name)
    if not current.services().policy.grace:
        flash(_("%(name)s was deleted. Its partition is dropped now.", name=name), "success")
        return
    undo: Any = {
        "text": _("%(name)s was deleted. You can still keep it.", name=name),
        "action": url_for("tenant.restore"),
        "fields": {"tenant_id": tenant.id},
        "label": _("Undo"),
    }
    flash(undo, "success")


def _stays(tenant: Tenant, before: Tenant | None) -> str:
    name = isolated(tenant.name)
    if before is not None and before.slug == tenant.slug:
        return _("%(name)s stays.", name=name)
    return _(
        "%(name)s stays. Its slug was taken meanwhile, and is %(slug)s now.",
        name=name,
        slug=tenant.slug,
    )
