"""Who may do what in the panel: viewers read, operators change, admins see the job queue."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask

from tests.access import Visitor, addresses
from tests.integration.admin.tenants import add_failed, add_tenant, send, state_of, tenant_of
from webapp.auth.roles import Role
from webapp.tenants.states import PartitionState

READ = {
    *("admin.index", "admin.live", "admin.static"),
    *("tenant.index_view", "tenant.list_live", "tenant.details_view", "tenant.live"),
    "tenant.departure",
    *("partitions.index", "partitions.live"),
    *("operations.index", "operations.index_live", "operations.show", "operations.live"),
    *("uploads.index", "uploads.show", "uploads.live", "uploads.result", "uploads.rejects"),
    *("uploads.template", "export.index", "export.tenants", "audit.index", "audit.export"),
}
CHANGE = {
    *("tenant.create_view", "tenant.edit_view", "tenant.delete_view", "tenant.retry"),
    *("tenant.restore", "tenant.adopt", "tenant.empty"),
    *("partitions.review", "partitions.retry", "partitions.isolation"),
    *("operations.review", "operations.start", "pausing.index", "pausing.resume"),
    *("uploads.check", "uploads.confirm", "uploads.discard"),
}
NEVER = {"tenant.ajax_update", "tenant.ajax_lookup", "tenant.action_view", "tenant.export"}


def ask(app: APIFlask, visitor: Visitor) -> dict[str, set[int]]:
    """Every address of the panel, asked with a CSRF token: endpoint → statuses."""
    add_tenant(app)
    token = visitor.csrf_token("/admin/")
    statuses: dict[str, set[int]] = {}
    for endpoint, method, address in addresses(app):
        if address.startswith(("/admin/", "/rq/")):
            options = {"headers": {"X-CSRFToken": token}} if method == "POST" else {}
            answer = visitor.client.open(f"{address}?id=1", method=method, **options)
            statuses.setdefault(endpoint, set()).add(answer.status_code)
    return statuses


def test_viewers_read_and_change_nothing_when_they_ask_for_every_page(
    app: APIFlask, as_role: Callable[[Role], Visitor]
) -> None:
    statuses = ask(app, as_role(Role.VIEWER))
    for endpoint, seen in statuses.items():
        if endpoint in READ:
            assert seen <= {200, 404}, endpoint
        else:
            assert seen == {403}, endpoint
    assert tenant_of(app, 1).deleted_at is None


def test_operators_change_tenants_but_see_no_job_queue_when_they_ask_for_every_page(
    app: APIFlask, as_role: Callable[[Role], Visitor]
) -> None:
    statuses = ask(app, as_role(Role.OPERATOR))
    assert {name for name in statuses if not name.startswith("rq_")} == READ | CHANGE | NEVER
    for endpoint, seen in statuses.items():
        if endpoint.startswith("rq_dashboard."):
            assert seen == {403}, endpoint
        elif endpoint in NEVER:
            assert seen == {404}, endpoint
        else:
            assert not seen & {401, 403, 405, 500}, endpoint


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
