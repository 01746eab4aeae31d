"""The tenants: list and forms; other views of a tenant are in the modules beside."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import Form, StringField

from webapp import current
from webapp.admin.base import expose, is_late, shell
from webapp.admin.lists.actions import listed
from webapp.admin.lists.filters import read_choice
from webapp.admin.lookups import find_tenant, status
from webapp.admin.tenants.deletion import DeletionViews
from webapp.admin.tenants.details import DetailViews
from webapp.admin.tenants.foreign_data import ForeignDataViews
from webapp.admin.tenants.losses import LossViews
from webapp.admin.wording.markup import isolated
from webapp.admin.wording.refusals import sentence
from webapp.errors import DomainError
from webapp.models.naming import MAX_NAME_LENGTH, MAX_SLUG_LENGTH
from webapp.models.tenant import Tenant


class TenantForm(Form):  # type: ignore[misc]
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


class TenantView(DetailViews, DeletionViews, ForeignDataViews, LossViews):
    """Tenants are created, renamed and deleted through the same service as by the API."""

    reads = frozenset({"index_view", "list_live", "details_view", "live", "departure"})
    nav = "tenant"

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """The tenants that match the address: `state`, `cause`, `search`, `page`."""
        return self.render("admin/tenant/list.html", **listed(read_choice(request.args)))

    @expose("/list/live/")
    def list_live(self) -> ResponseReturnValue:
        data = listed(read_choice(request.args))
        return self.render("admin/tenant/_list.html", fragment=True, **data)

    def render(self, template: str, **kwargs: Any) -> str:
        return super().render(
            template,
            **{
                "choice": read_choice(request.args),
                "room": shell().summary.collections[0],
                "stuck": is_late,
                **kwargs,
            },
        )

    @expose("/new/", methods=("GET", "POST"))
    def create_view(self) -> ResponseReturnValue:
        """The form of a new tenant; leads to its details."""
        form = _form()
        is_sent = request.method == "POST"
        tenant = saved(form, current.tenants().create) if is_sent else None
        if tenant is None:
            return self.render("admin/tenant/new.html", form=form), status()
        flash(_("%(name)s was created.", name=isolated(tenant.name)), "success")
        return redirect(self.get_url(".details_view", id=tenant.id))

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> ResponseReturnValue:
        """The form that renames a tenant; the partition keeps its name."""
        tenant = find_tenant()
        form = _form(tenant)
        rename = partial(current.tenants().rename, tenant.id)
        if request.method == "POST" and saved(form, rename):
            flash(_("The change was saved."), "success")
            return redirect(self.get_url(".details_view", id=tenant.id))
        return self.render("admin/tenant/edit.html", form=form, model=tenant), status()


def _form(tenant: Tenant | None = None) -> TenantForm:
    return TenantForm(request.form if request.method == "POST" else None, obj=tenant)


def saved(form: TenantForm, save: Callable[..., Tenant]) -> Tenant | None:
    """The tenant as it is stored; None where that was refused, with the reason at its field."""
    name, slug = form.name.data or "", form.slug.data or None
    try:
        return save(name=name, slug=slug, actor=current.actor())
    except DomainError as error:
        field = getattr(form, getattr(error, "field", ""), None)
        if field is None:
            flash(sentence(error), "danger")
        else:
            field.errors = [*field.errors, sentence(error)]
        return None
