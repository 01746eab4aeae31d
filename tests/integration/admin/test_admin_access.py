"""Who may do what in the panel: viewers read, operators change, admins see the job queue."""

import re
from collections.abc import Callable

from apiflask import APIFlask

from tests.access import Visitor
from tests.integration.admin.tenants import add_failed, add_tenant, send
from webapp.auth.roles import Role
from webapp.models.causes import Cause
from webapp.settings import VERSION


def test_a_viewer_sees_no_button_that_is_refused_when_something_failed(
    app: APIFlask, as_role: Callable[[Role], Visitor]
) -> None:
    tenant_id = add_failed(app)
    viewer = as_role(Role.VIEWER)
    for address in ("/admin/", "/admin/partitions/", f"/admin/tenant/details/?id={tenant_id}"):
        page = viewer.get(address).text
        assert "Retry" not in page
        assert "/admin/tenant/new/" not in page
        assert "/rq/" not in page
    assert send(viewer, "/admin/tenant/retry/", tenant_id=str(tenant_id)) == 403


def test_version_docs_and_help_are_in_sight_of_every_role_when_there_are_tenants_too(
    app: APIFlask, as_role: Callable[[Role], Visitor]
) -> None:
    add_tenant(app)
    for role in Role:
        page = as_role(role).get("/admin/tenant/").text
        assert 'href="/api/docs"' in page
        assert 'href="/admin/help/"' in page
        assert f"Paratia {VERSION}" in page


def test_the_first_field_has_the_focus_when_a_form_opens(app: APIFlask, operator: Visitor) -> None:
    tenant_id = add_failed(app, cause=Cause.FOREIGN_DATA)
    for address in (
        *("/admin/tenant/new/", f"/admin/tenant/edit/?id={tenant_id}", "/admin/pause/"),
        *(f"/admin/tenant/{page}/?id={tenant_id}" for page in ("delete", "empty")),
        "/admin/operations/review/?kind=delete&scope=matching&state=failed",
    ):
        assert operator.get(address).text.count(" autofocus") == 1, address
    refused = operator.post(
        "/admin/tenant/new/",
        {"csrf_token": operator.csrf_token("/admin/"), "name": "A", "slug": "B C"},
    ).text
    assert re.search(r'<input[^>]* autofocus[^>]* id="slug"', refused)
