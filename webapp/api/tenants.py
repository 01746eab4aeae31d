"""The endpoints of tenants."""

from flask import url_for

from webapp import current
from webapp.api import schemas_in, schemas_out
from webapp.api.examples import DEPARTURE, EVENT, NEW_TENANT, PENDING, READY, REMOVING
from webapp.api.idempotency import answer, honours_keys
from webapp.api.routing import api
from webapp.errors import NoDeparture
from webapp.idempotency import Answer, Idempotency
from webapp.models.tenant import Tenant
from webapp.retention import pruned_timeline
from webapp.tenants.queries import (
    TenantFilter,
    departure_of,
    existing_tenant,
    list_events,
    list_tenants,
)

NOT_COMPARED = (
    "The database does not answer; or (`database_restored`) it was restored from a backup, and "
    "not compared with Milvus yet: `Retry-After` says when to repeat the call."
)


def created(tenant: Tenant) -> Answer:
    """The answer with a tenant that was created."""
    location = url_for("api.one", tenant_id=tenant.id)
    return answer(schemas_out.Tenant.of(tenant), 201, location)


def _accepted(tenant: Tenant) -> Answer:
    return answer(schemas_out.Tenant.of(tenant), 202)


@api.post("/tenants")
@api.input(schemas_in.NewTenant, arg_name="new", example=NEW_TENANT)
@api.output(schemas_out.Tenant, 201, description="Created; the partition follows.", example=PENDING)
@api.doc(
    operation_id="create_tenant",
    responses={409: "slug_taken: another tenant has the slug.", 503: NOT_COMPARED},
)
@honours_keys(created)
def create(new: schemas_in.NewTenant, idempotency: Idempotency) -> Tenant:
    """Create a tenant

    Stores the tenant and the request for its partition, and answers at once, also while Redis
    or Milvus is down. Where the vectors will go stands in the answer.
    """
    return current.tenants().create(
        new.name, new.slug, actor=current.actor(), idempotency=idempotency
    )


@api.get("/tenants")
@api.input(schemas_in.TenantQuery, location="query", arg_name="query")
@api.output(schemas_out.TenantPage, example={"items": [READY], "next_cursor": "7"})
@api.doc(operation_id="list_tenants")
def many(query: schemas_in.TenantQuery) -> schemas_out.TenantPage:
    """List tenants

    By ascending number, so that tenants added meanwhile neither hide nor repeat others.
    """
    tenant_filter = TenantFilter(state=query.status, q=query.q)
    page = current.database().read(list_tenants, tenant_filter, query.limit, query.cursor)
    return schemas_out.TenantPage.of(page)


@api.get("/tenants/<tenant_id:tenant_id>")
@api.output(schemas_out.Tenant, example=READY)
@api.doc(operation_id="get_tenant")
def one(tenant_id: int) -> schemas_out.Tenant:
    """Get a tenant

    Deleted ones too, with status `deleted`.
    """
    return schemas_out.Tenant.of(current.database().read(existing_tenant, tenant_id))


@api.patch("/tenants/<tenant_id:tenant_id>")
@api.input(schemas_in.TenantChange, arg_name="change", example={"name": "Acme Group"})
@api.output(schemas_out.Tenant, example=READY)
@api.doc(
    operation_id="update_tenant",
    responses={409: "slug_taken: another tenant has the slug; or tenant_deleted."},
)
def update(tenant_id: int, change: schemas_in.TenantChange) -> schemas_out.Tenant:
    """Change a tenant's name or slug

    The partition's name never changes.
    """
    tenant = current.tenants().rename(
        tenant_id, name=change.name, slug=change.slug, actor=current.actor()
    )
    return schemas_out.Tenant.of(tenant)


@api.delete("/tenants/<tenant_id:tenant_id>")
@api.output(
    schemas_out.Tenant, 202, description="Deleted; the partition goes later.", example=REMOVING
)
@api.doc(operation_id="delete_tenant")
def delete(tenant_id: int) -> schemas_out.Tenant:
    """Delete a tenant

    Its partition is dropped at `remove_at`. Repeating it changes nothing. The number is never
    used again.
    """
    tenant = current.tenants().delete(tenant_id, actor=current.actor())
    return schemas_out.Tenant.of(tenant)


@api.post("/tenants/<tenant_id:tenant_id>/restore")
@api.output(schemas_out.Tenant, 202, description="Called back.", example=PENDING)
@api.doc(
    operation_id="restore_tenant",
    responses={409: "not_removing: it is not deleted, or its drop has begun."},
)
@honours_keys(_accepted)
def restore(tenant_id: int, idempotency: Idempotency) -> Tenant:
    """Call a deleted tenant back

    With all it had, as long as its drop has not begun. A slug that was taken meanwhile is
    replaced by a free one.
    """
    return current.tenants().restore(tenant_id, actor=current.actor(), idempotency=idempotency)


@api.get("/tenants/<tenant_id:tenant_id>/departure")
@api.output(schemas_out.Departure, example=DEPARTURE)
@api.doc(operation_id="get_departure")
def departure(tenant_id: int) -> tuple[schemas_out.Departure, int, dict[str, str]]:
    """Get the record of a departure

    Who asked for it and when, the rows at the time, and the proof that the partition is gone.
    404 for a tenant that was never deleted, or was called back.
    """
    record = current.database().read(departure_of, tenant_id)
    if record is None:
        raise NoDeparture(tenant_id)
    saved_as = f"attachment; filename=tenant-{tenant_id}-departure.json"
    return schemas_out.Departure.of(record), 200, {"Content-Disposition": saved_as}


@api.post("/tenants/<tenant_id:tenant_id>/retry")
@api.output(schemas_out.Tenant, 202, description="Requested again.", example=PENDING)
@api.doc(
    operation_id="retry_tenant",
    responses={409: "not_failed: the partition is in another state."},
)
@honours_keys(_accepted)
def retry(tenant_id: int, idempotency: Idempotency) -> Tenant:
    """Try a failed partition again

    With all its attempts, at once.
    """
    return current.tenants().retry(tenant_id, actor=current.actor(), idempotency=idempotency)


@api.post("/tenants/<tenant_id:tenant_id>/adopt")
@api.output(schemas_out.Tenant, 202, description="Requested again, to adopt.", example=PENDING)
@api.doc(
    operation_id="adopt_partition",
    responses={409: "not_foreign: it did not fail because of foreign data."},
)
@honours_keys(_accepted)
def adopt(tenant_id: int, idempotency: Idempotency) -> Tenant:
    """Adopt the rows that a partition held before

    For a partition that failed for `foreign_data`, once it is known that they are the tenant's.
    """
    foreign = current.services().foreign
    return foreign.adopt(tenant_id, actor=current.actor(), idempotency=idempotency)


@api.post("/tenants/<tenant_id:tenant_id>/empty")
@api.output(schemas_out.Tenant, 202, description="Requested again, emptied.", example=PENDING)
@api.doc(
    operation_id="empty_partition",
    responses={409: "not_foreign: it did not fail because of foreign data."},
)
@honours_keys(_accepted)
def empty(tenant_id: int, idempotency: Idempotency) -> Tenant:
    """Destroy the rows that a partition held before

    For a partition that failed for `foreign_data`, once it is known that they are not needed. This
    cannot be undone.
    """
    foreign = current.services().foreign
    return foreign.empty(tenant_id, actor=current.actor(), idempotency=idempotency)


def _shown(tenant: Tenant) -> Answer:
    return answer(schemas_out.Tenant.of(tenant), 200)


@api.post("/tenants/<tenant_id:tenant_id>/acknowledge")
@api.output(schemas_out.Tenant, description="Marked no more.", example=READY)
@api.doc(
    operation_id="acknowledge_loss",
    responses={409: "nothing_lost: the partition is not marked, or not ready yet."},
)
@honours_keys(_shown)
def acknowledge(tenant_id: int, idempotency: Idempotency) -> Tenant:
    """Acknowledge that a tenant's rows may be lost

    For a partition that Milvus lost and that is there again, empty (`rows_lost_at`): once its rows
    are loaded again, or are not needed.
    """
    losses = current.services().losses
    return losses.acknowledge(tenant_id, actor=current.actor(), idempotency=idempotency)


@api.get("/tenants/<tenant_id:tenant_id>/events")
@api.input(schemas_in.Paging, location="query", arg_name="paging")
@api.output(schemas_out.EventPage, example={"items": [EVENT], "next_cursor": None, "pruned": None})
@api.doc(operation_id="list_tenant_events")
def events(tenant_id: int, paging: schemas_in.Paging) -> schemas_out.EventPage:
    """List what happened to a tenant's partition

    Newest first.
    """
    with current.database().reading() as session:
        existing_tenant(session, tenant_id)
        page = list_events(session, tenant_id, paging.limit, paging.cursor)
        pruned = pruned_timeline(session, tenant_id)
    return schemas_out.EventPage.of({**vars(page), "pruned": pruned})
