"""Who may do what in the panel: viewers read, operators change, admins see the job queue."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask

from tests.access import Visitor
from tests.integration.admin.tenants import add_failed, send, state_of
from webapp.auth.roles import Role
from webapp.tenants.states import PartitionState


@pytest.mark.parametrize("address", ["/admin/tenant/retry/", "/admin/tenant/delete/"])
def test_nothing_changes_when_the_csrf_token_is_missing(
    app: APIFlask, operator: Visitor, address: str
) -> None:
    tenant_id = add_failed(app)
    assert (
        operator.post(address, {"id": str(tenant_id), "tenant_id": str(tenant_id)}).status_code
        == 400
    )
    assert state_of(app, tenant_id) == PartitionState.FAILED


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
