"""The tenants: list, form, details with the timeline, and what can be done to one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin.form import BaseForm
from wtforms import StringField

from webapp import current
from webapp.admin.asking import asked, number_in, sentence, status
from webapp.admin.base import audit, expose, is_fragment, reading, shell
from webapp.admin.foreign import Deciding
from webapp.admin.leaving import Departing, owns_rows
from webapp.admin.listing import read_choice, tenants_page
from webapp.auth.roles import Role
from webapp.database import utc_now
from webapp.tenants.errors import DomainError
from webapp.tenants.figures import Headroom
from webapp.tenants.models import Partition, Tenant
from webapp.tenants.naming import MAX_NAME_LENGTH, MAX_SLUG_LENGTH
from webapp.tenants.queries import GONE, departure_of, list_events
from webapp.tenants.states import PartitionState
from webapp.tenants.stuck import is_stuck

EVENTS_SHOWN = 50
UNSETTLED = {PartitionState.PENDING, PartitionState.PROVISIONING}
# A departure that is nearer than this is watched closely.
SOON = timedelta(minutes=1)


class TenantForm(BaseForm):  # type: ignore[misc]
    """What a human gives a tenant; the service checks it."""

    name = StringField(
        "Name",
        description="As people call them. It can be changed later.",
        render_kw={
            "maxlength": MAX_NAME_LENGTH,
            "required": True,
            "autocomplete": "off",
        },
    )
    slug = StringField(
        "Slug",
        description="For addresses: small letters, digits and hyphens. Left empty, it is made "
        "from the name.",
        render_kw={
            "maxlength": MAX_SLUG_LENGTH,
            "autocomplete": "off",
            "autocapitalize": "none",
            "spellcheck": "false",
        },
    )


@dataclass(frozen=True)
class Room:
    """Where the next tenant's vectors will go, and how many more fit there."""

    collection: str
    left: int | None
    places: int

    @classmethod
    def of(cls, headroom: Headroom) -> "Room":
        """The room in a collection; `_default` takes one place."""
        return cls(headroom.collection, headroom.left, headroom.limit - 1)


class TenantView(Departing, Deciding):
    """Tenants, created, renamed and deleted through the same service as by the API."""

    reads = frozenset({"index_view", "details_view", "live", "departure"})
    list_template = "admin/tenant/list.html"
    create_template = "admin/tenant/new.html"
    edit_template = "admin/tenant/edit.html"
    details_template = "admin/tenant/details.html"
    form = TenantForm
    column_list = ("name", "partition", "updated_at")
    column_searchable_list = ("name", "slug")
    column_sortable_list = ("name", "id")

    @property
    def can_create(self) -> bool:  # type: ignore[override]
        """Whether the form is offered to whoever asks."""
        return shell().principal.may(Role.OPERATOR)

    can_edit = can_delete = can_create

    def get_list(self, page: Any, sort_column: Any, *args: Any, **kwargs: Any) -> Any:
        """The tenants that the address asks for: `state`, `cause`, `search`, `page`, `desc`."""
        found = tenants_page(reading(), read_choice(request.args), shell().summary, self.page_size)
        self._template_args["found"] = found
        return found.total, found.items

    def render(self, template: str, **kwargs: Any) -> str:
        """The template with the choice of tenants in the address."""
        return super().render(
            template,
            **{
                "nav": "tenant",
                "choice": read_choice(request.args),
                "room": Room.of(shell().summary.collections[0]),
                "stuck": _is_stuck,
                **kwargs,
            },
        )

    @expose("/new/", methods=("GET", "POST"))
    def create_view(self) -> ResponseReturnValue:
        """The form of a new tenant; leads to its details, where it is seen to become ready."""
        form = self.create_form()
        tenant = self.create_model(form) if request.method == "POST" else None
        if tenant is None:
            return self.render(self.create_template, form=form), status()
        flash(f"{tenant.name} was created.", "success")
        return redirect(self.get_url(".details_view", id=tenant.id))

    def create_model(self, form: Any) -> Tenant | None:
        """The new tenant, or None with the reason at the field that it is about."""
        try:
            tenant = current.tenants().create(
                form.name.data or "",
                form.slug.data or None,
                actor=current.actor(),
            )
        except DomainError as error:
            _show(error, form)
            return None
        audit("tenant.create", tenant_id=tenant.id)
        return tenant

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> ResponseReturnValue:
        """The form that renames a tenant; its partition keeps its name."""
        tenant = asked()
        form = self.edit_form(obj=tenant)
        if request.method == "POST" and self.update_model(form, tenant):
            flash("The change was saved.", "success")
            return redirect(self.get_url(".details_view", id=tenant.id))
        return self.render(self.edit_template, form=form, model=tenant), status()

    def update_model(self, form: Any, model: Any) -> bool:
        """True when saved; else the reason stands at its field."""
        try:
            current.tenants().rename(
                model.id,
                name=form.name.data or "",
                slug=form.slug.data or None,
                actor=current.actor(),
            )
        except DomainError as error:
            _show(error, form)
            return False
        audit("tenant.rename", tenant_id=model.id)
        return True

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """One tenant: where its vectors go, its state, what to do, and what happened."""
        return self.render(self.details_template, **_details(asked()))

    @expose("/live/")
    def live(self) -> ResponseReturnValue:
        """The part of the details that keeps itself up to date."""
        return self.render("admin/tenant/_live.html", fragment=True, **_details(asked()))

    @expose("/retry/", methods=("POST",))
    def retry(self) -> ResponseReturnValue:
        """Another try for one failed tenant."""
        # Not `id`: a form with a field of that name has no `id` of its own for scripts.
        tenant_id = number_in(request.form.get("tenant_id"))
        try:
            current.tenants().retry(tenant_id, actor=current.actor())
        except DomainError as error:
            said, role = sentence(error), "danger"
        else:
            audit("tenant.retry", tenant_id=tenant_id)
            said, role = f"Queued at {utc_now():%H:%M:%S} UTC.", "info"
        if is_fragment():
            return self.render("admin/_said.html", said=said, role=role)
        flash(said, role)
        return redirect(self.get_url(".details_view", id=tenant_id))


def _details(tenant: Tenant) -> dict[str, Any]:
    partition = tenant.partition
    is_gone = partition is not None and partition.state in GONE
    return {
        "model": tenant,
        "partition": partition,
        "departure": departure_of(reading(), tenant.id) if is_gone else None,
        "owns_rows": owns_rows(partition),
        "proven_at": _proven_at(partition),
        "events": list_events(reading(), tenant.id, EVENTS_SHOWN),
        "stuck": _is_stuck(partition),
        "every": 1 if partition and _changes_soon(partition) else 5,
    }


def _proven_at(partition: Partition | None) -> datetime | None:
    """When the partition was last seen in Milvus: by a worker, or in a list the sweep compared.

    What is missing from such a list is not ready any more.
    """
    if partition is None or partition.state != PartitionState.READY:
        return partition.verified_at if partition else None
    compared = [
        seen.compared_at
        for seen in shell().summary.collections
        if seen.collection == partition.collection and seen.compared_at
    ]
    return max([*compared, partition.verified_at or partition.state_since])


def _changes_soon(partition: Partition) -> bool:
    if partition.state in UNSETTLED:
        return True
    due = partition.remove_at
    return partition.state == PartitionState.REMOVING and bool(due and due < utc_now() + SOON)


def _show(error: DomainError, form: Any) -> None:
    """Put the reason beside the field it is about, or above the page."""
    field = getattr(form, getattr(error, "field", ""), None)
    if field is None:
        flash(sentence(error), "danger")
    else:
        field.errors = [*field.errors, sentence(error)]


def _is_stuck(partition: Partition | None) -> bool:
    return is_stuck(partition, current.domain().rules, shell().summary.last_pause)
