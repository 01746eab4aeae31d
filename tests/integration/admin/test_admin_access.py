"""Who may do what in the panel: viewers read, operators change, admins see the job queue."""

import re

from tests.integration.admin.panel import AsRole, OpenPanel
from webapp.auth.roles import Role
from webapp.models.causes import Cause
from webapp.settings import VERSION


def test_a_viewer_sees_no_button_that_is_refused_when_something_failed(
    viewer: OpenPanel,
) -> None:
    tenant_id = viewer.add_failed()
    for address in ("/admin/", "/admin/partitions/", f"/admin/tenant/details/?id={tenant_id}"):
        page = viewer.page(address)
        assert "Retry" not in page
        assert "/admin/tenant/new/" not in page
        assert "/rq/" not in page
    assert viewer.send("/admin/tenant/retry/", tenant_id=tenant_id) == 403


def test_version_docs_and_help_are_in_sight_of_every_role_when_there_are_tenants_too(
    as_role: AsRole,
) -> None:
    for role in Role:
        panel = as_role(role)
        panel.add_tenant()
        page = panel.page("/admin/tenant/")
        assert 'href="/api/docs"' in page
        assert 'href="/admin/help/"' in page
        assert f"Paratia {VERSION}" in page


def test_the_first_field_has_the_focus_when_a_form_opens(panel: OpenPanel) -> None:
    tenant_id = panel.add_failed(cause=Cause.FOREIGN_DATA)
    for address in (
        *("/admin/tenant/new/", f"/admin/tenant/edit/?id={tenant_id}", "/admin/pause/"),
        *(f"/admin/tenant/{page}/?id={tenant_id}" for page in ("delete", "empty")),
        "/admin/operations/review/?kind=delete&scope=matching&state=failed",
    ):
        assert panel.page(address).count(" autofocus") == 1, address
    refused = panel.post(
        "/admin/tenant/new/",
        {"csrf_token": panel.csrf_token("/logout"), "name": "A", "slug": "B C"},
    ).text
    assert re.search(r'<input[^>]* autofocus[^>]* id="slug"', refused)
