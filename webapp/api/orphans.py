"""The endpoints about orphans, the partitions that no tenant has."""

from webapp import current
from webapp.api.examples import (
    ACKNOWLEDGED,
    COUNT_REQUESTED,
    DROP_REQUESTED,
    ORPHAN,
    ORPHAN_ADOPTION,
    ORPHAN_DROP,
    ORPHAN_PLACE,
    ORPHANS,
    PENDING,
)
from webapp.api.idempotency import answer, honours_keys
from webapp.api.orphan_schemas import (
    Orphan,
    OrphanAcknowledgement,
    OrphanAdoption,
    OrphanDrop,
    OrphanPlace,
    OrphanRequest,
    Orphans,
)
from webapp.api.routing import api
from webapp.api.schemas_out import Tenant
from webapp.api.tenants import created
from webapp.idempotency import Answer, Idempotency
from webapp.models.observed import PartitionDrift
from webapp.models.orphan import OrphanRequest as RequestRow
from webapp.models.tenant import Tenant as TenantRow
from webapp.partitions.orphans import list_orphans, list_requests

NO_ORPHAN = "The last comparison found no such orphan."
BUSY = "orphan_busy: an earlier request about it is not finished."


def _requested(request: RequestRow) -> Answer:
    return answer(OrphanRequest.of(request), 202)


def _decided(orphan: PartitionDrift) -> Answer:
    return answer(Orphan.of(orphan), 200)


@api.get("/partitions/orphans")
@api.output(Orphans, example=ORPHANS)
@api.doc(operation_id="list_orphans", tags=["Partitions"])
def orphans() -> Orphans:
    """List partitions of no tenant, and what was requested for them

    What the last comparison found; Milvus is not asked.
    """
    with current.database().reading() as session:
        found, requested = list_orphans(session), list_requests(session)
        return Orphans.model_validate({"orphans": found, "requests": requested})


@api.post("/partitions/orphans/count")
@api.input(OrphanPlace, arg_name="place", example=ORPHAN_PLACE)
@api.output(OrphanRequest, 202, description="Requested.", example=COUNT_REQUESTED)
@api.doc(operation_id="count_orphan", tags=["Partitions"], responses={404: NO_ORPHAN, 409: BUSY})
@honours_keys(_requested)
def count_orphan(place: OrphanPlace, idempotency: Idempotency) -> RequestRow:
    """Count the rows of an orphan

    The reconciler counts within seconds; the result is in `GET /api/partitions/orphans`.
    """
    return current.services().orphans.count(
        place.collection, place.partition, actor=current.actor(), idempotency=idempotency
    )


@api.post("/partitions/orphans/adopt")
@api.input(OrphanAdoption, arg_name="new", example=ORPHAN_ADOPTION)
@api.output(Tenant, 201, description="Created; its rows are adopted.", example=PENDING)
@api.doc(
    operation_id="adopt_orphan",
    tags=["Partitions"],
    responses={
        404: NO_ORPHAN,
        409: "not_adoptable: no tenant can have its name or number; or slug_taken, orphan_busy.",
    },
)
@honours_keys(created)
def adopt_orphan(new: OrphanAdoption, idempotency: Idempotency) -> TenantRow:
    """Make a tenant of an orphan

    With the number in its name. A worker proves the partition, and counts the rows that it adopts.
    """
    return current.services().adoption.adopt(
        *(new.collection, new.partition, new.name, new.slug),
        actor=current.actor(),
        idempotency=idempotency,
    )


@api.post("/partitions/orphans/acknowledge")
@api.input(OrphanAcknowledgement, arg_name="kept", example={**ORPHAN_PLACE, "reason": "Archive"})
@api.output(Orphan, description="Kept, and no drift.", example=ACKNOWLEDGED)
@api.doc(
    operation_id="acknowledge_orphan", tags=["Partitions"], responses={404: NO_ORPHAN, 409: BUSY}
)
@honours_keys(_decided)
def acknowledge_orphan(kept: OrphanAcknowledgement, idempotency: Idempotency) -> PartitionDrift:
    """Keep an orphan

    It is no drift any more. Of a repeated call the first reason stays.
    """
    return current.services().orphans.acknowledge(
        *(kept.collection, kept.partition, kept.reason),
        actor=current.actor(),
        idempotency=idempotency,
    )


@api.post("/partitions/orphans/take-back")
@api.input(OrphanPlace, arg_name="place", example=ORPHAN_PLACE)
@api.output(Orphan, description="An orphan again.", example=ORPHAN)
@api.doc(operation_id="take_back_orphan", tags=["Partitions"], responses={404: NO_ORPHAN})
@honours_keys(_decided)
def take_back_orphan(place: OrphanPlace, idempotency: Idempotency) -> PartitionDrift:
    """Take back the decision to keep an orphan

    Changes nothing where it is not kept.
    """
    return current.services().orphans.take_back(
        place.collection, place.partition, actor=current.actor(), idempotency=idempotency
    )


@api.post("/partitions/orphans/drop")
@api.input(OrphanDrop, arg_name="order", example=ORPHAN_DROP)
@api.output(OrphanRequest, 202, description="Requested.", example=DROP_REQUESTED)
@api.doc(
    operation_id="drop_orphan",
    tags=["Partitions"],
    responses={
        404: NO_ORPHAN,
        409: "not_droppable: `typed` is not its name, a tenant has its number, provisioning is "
        "paused, or the alias was moved; or orphan_busy.",
    },
)
@honours_keys(_requested)
def drop_orphan(order: OrphanDrop, idempotency: Idempotency) -> RequestRow:
    """Drop an orphan with all its rows

    This cannot be undone. `typed` must be its name. The reconciler counts the rows anew, drops the
    partition unless a tenant has its number by then, and proves by a list that it is gone.
    """
    return current.services().orphans.drop(
        *(order.collection, order.partition, order.typed),
        actor=current.actor(),
        idempotency=idempotency,
    )
