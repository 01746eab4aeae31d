"""The tenants: list and forms; other views of a tenant are in the modules beside."""

from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin.form import BaseForm
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import StringField

from webapp import current
from webapp.admin.base import expose, reading, shell
from webapp.admin.lists.actions import selecting
from webapp.admin.lists.filters import read_choice, tenants_page
from webapp.admin.lookups import find_tenant, status
from webapp.admin.tenants.details import DetailViews
from webapp.admin.tenants.foreign_data import ForeignDataViews
from webapp.admin.wording.markup import isolated
from webapp.admin.wording.refusals import sentence
from webapp.auth.roles import Role
from webapp.errors import DomainError
from webapp.models.naming import MAX_NAME_LENGTH, MAX_SLUG_LENGTH
from webapp.models.partition import Partition
from webapp.models.tenant import Tenant
from webapp.partitions.stuck import is_stuck
from webapp.partitions.summary import Headroom


class TenantForm(BaseForm):  # type: ignore[misc]
    """The fields of a tenant; the service validates them."""

    name = StringField(
        _l("Name"),
        description=_l("As people call them. It can be changed later."),
        render_kw={"maxlength": MAX_NAME_LENGTH, "required": True, "autocomplete": "off"},
    )
    slug = StringField(
        _l("Slug"),
        description=_l(
            "For addresses: small letters, digits and hyphens. "
            "Left empty, it is made from the name."
        ),
        render_kw={
            "maxlength": MAX_SLUG_LENGTH,
            "autocomplete": "off",
            "autocapitalize": "none",
            "spellcheck": "false",
        },
    )


@dataclass(frozen=True)
class Room:
    """The collection of the next tenant, and its free places."""

    collection: str
    left: int | None
    places: int

    @classmethod
    def of(cls, headroom: Headroom) -> "Room":
        """The room of a collection; `_default` takes one place."""
        return cls(headroom.collection, headroom.left, headroom.limit - 1)


class TenantView(DetailViews, ForeignDataViews):
    """Tenants are created, renamed and deleted through the same service as by the API."""

    reads = frozenset({"index_view", "list_live", "details_view", "live", "departure"})
    list_template = "admin/tenant/list.html"
    create_template = "admin/tenant/new.html"
    edit_template = "admin/tenant/edit.html"
    form = TenantForm
    column_list = ("name", "partition", "updated_at")
    column_searchable_list = ("name", "slug")
    column_sortable_list = ("name", "id")

    @property
    def can_create(self) -> bool:  # type: ignore[override]
        """Whether the forms are offered to this user."""
        return shell().principal.may(Role.OPERATOR)

    can_edit = can_delete = can_create

    # Instead of Flask-Admin's list, which counts and sorts the whole table.
    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """The tenants that match the address: `state`, `cause`, `search`, `page`."""
        return self.render(self.list_template, **self._listed())

    @expose("/list/live/")
    def list_live(self) -> ResponseReturnValue:
        """The live part of the list."""
        return self.render("admin/tenant/_list.html", fragment=True, **self._listed())

    def _listed(self) -> dict[str, Any]:
        choice, counts = read_choice(request.args), shell().summary
        page = tenants_page(reading(), choice, counts, self.page_size)
        return selecting(choice, page, counts)

    def render(self, template: str, **kwargs: Any) -> str:
        """The template, with the filter in the address."""
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
        """The form of a new tenant; leads to its details."""
        form = self.create_form()
        tenant = self.create_model(form) if request.method == "POST" else None
        if tenant is None:
            return self.render(self.create_template, form=form), status()
        flash(_("%(name)s was created.", name=isolated(tenant.name)), "success")
        return redirect(self.get_url(".details_view", id=tenant.id))

    def create_model(self, form: Any) -> Tenant | None:
        """The new tenant; None with the reason at its field."""
        try:
            tenant = current.tenants().create(
                form.name.data or "", form.slug.data or None, actor=current.actor()
            )
        except DomainError as error:
            _show(error, form)
            return None
        return tenant

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> ResponseReturnValue:
        """The form that renames a tenant; the partition keeps its name."""
        tenant = find_tenant()
        form = self.edit_form(obj=tenant)
        if request.method == "POST" and self.update_model(form, tenant):
            flash(_("The change was saved."), "success")
            return redirect(self.get_url(".details_view", id=tenant.id))
        return self.render(self.edit_template, form=form, model=tenant), status()

    def update_model(self, form: Any, model: Any) -> bool:
        """True when saved; else the reason is at its field."""
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
        return True


def _show(error: DomainError, form: Any) -> None:
    field = getattr(form, getattr(error, "field", ""), None)
    if field is None:
        flash(sentence(error), "danger")
    else:
        field.errors = [*field.errors, sentence(error)]


def _is_stuck(partition: Partition) -> bool:
    return is_stuck(partition, current.services().policy, shell().summary.last_pause)
