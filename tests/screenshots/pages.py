"""Which pages there are pictures of, in which condition, and which of them the documents show."""

from typing import NamedTuple


class Shot(NamedTuple):
    """A page, and what is clicked on it before the picture, if anything."""

    name: str
    address: str
    click: str | None = None


_ALWAYS = [
    Shot("overview", "/admin/"),
    Shot("tenants", "/admin/tenant/"),
    Shot("partitions", "/admin/partitions/?tab=all"),
    Shot("causes", "/admin/partitions/?tab=causes"),
    Shot("drift", "/admin/partitions/?tab=drift"),
    Shot("queues", "/admin/partitions/?tab=queues"),
    Shot("operations", "/admin/operations/"),
    Shot("import", "/admin/import/"),
    Shot("audit", "/admin/audit/"),
    Shot("help", "/admin/help/"),
    Shot("walk", "/admin/help/bad-night"),
]
EMPTY = [*_ALWAYS, Shot("new", "/admin/tenant/new/")]
FULL = [
    *_ALWAYS,
    Shot("tenant", "/admin/tenant/details/?id={ready}"),
    Shot("rename", "/admin/tenant/edit/?id={ready}"),
    Shot("delete", "/admin/tenant/details/?id={ready}", "a.danger[data-dialog]"),
    Shot("removing", "/admin/tenant/?state=removing"),
    Shot("removing", "/admin/tenant/details/?id={removing}"),
]
FAILING = [
    *_ALWAYS,
    Shot("tenant", "/admin/tenant/details/?id={failed}"),
    Shot("foreign", "/admin/tenant/details/?id={foreign}"),
    Shot("review", "/admin/partitions/?tab=causes", "a[data-dialog]"),
    Shot("orphan", "/admin/partitions/orphan/?collection={collection}&partition=tenant_4711"),
]

MENDED = [
    Shot("operation", "/admin/operations/show/?id={operation}"),
    Shot("operations", "/admin/operations/"),
    Shot("upload", "/admin/import/show/?id={upload}"),
    Shot("audit", "/admin/audit/"),
    Shot("overview", "/admin/"),
]

LOST = [
    Shot("overview", "/admin/"),
    Shot("brake", "/admin/partitions/brake/?collection={collection}"),
    Shot("drift", "/admin/partitions/?tab=drift"),
    Shot("tenants", "/admin/tenant/?state=missing"),
]

# Picture -> its name in docs/img.
CHOSEN = {
    "failing-overview-wide-light": "overview",
    "failing-causes-wide-light": "partitions",
    "failing-tenant-wide-light": "tenant",
    "failing-drift-wide-light": "drift",
    "failing-review-wide-light": "review",
    "mended-operation-wide-light": "operation",
    "mended-upload-wide-light": "import",
    "mended-audit-wide-light": "audit",
    "full-overview-wide-dark": "overview-dark",
    "lost-brake-wide-light": "brake",
}
