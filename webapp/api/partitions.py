"""The endpoints about all partitions at once."""

from collections.abc import Sequence

from webapp import current
from webapp.api import schemas_in, schemas_out
from webapp.api.examples import BRAKE, DRIFT, PAUSE, PAUSED, RESTORED, RUNNING, SUMMARY
from webapp.api.idempotency import answer, honours_keys
from webapp.api.routing import api
from webapp.halts import brake_state
from webapp.halts.brake_state import BrakeState
from webapp.halts.pause_state import PauseState
from webapp.halts.restored_state import RestoredState
from webapp.idempotency import Answer, Idempotency
from webapp.partitions.drift import known_drift
from webapp.partitions.summary import summary


@api.get("/partitions/summary")
@api.output(schemas_out.Summary, example=SUMMARY)
@api.doc(operation_id="get_partitions_summary", tags=["Partitions"])
def counts() -> schemas_out.Summary:
    """Count partitions by state and cause, with what is left of each collection

    What is said of Milvus is what was last seen of it, with the time it was seen at.
    """
    counted = current.database().read(summary, current.settings())
    return schemas_out.Summary.of(counted)


@api.get("/partitions/drift")
@api.output(schemas_out.Drift, example=DRIFT)
@api.doc(operation_id="get_partitions_drift", tags=["Partitions"])
def drift() -> schemas_out.Drift:
    """Show where Milvus departs from what is wanted

    What the last sweep found, with the time of its comparison; Milvus is not asked.
    """
    report = current.database().read(known_drift, current.services().policy)
    return schemas_out.Drift.of(report)


@api.get("/partitions/brakes")
@api.output(schemas_out.Brakes, example={"items": [BRAKE]})
@api.doc(operation_id="list_brakes", tags=["Partitions"])
def brakes() -> schemas_out.Brakes:
    """List the brakes that are on

    A brake holds a collection back in which many partitions are gone at once, or that is not the
    one it was: nothing is made again or dropped until an operator has decided.
    """
    return schemas_out.Brakes(items=[schemas_out.Brake.of(each) for each in _brakes()])


def _brakes() -> Sequence[BrakeState]:
    return current.database().read(brake_state.brakes)


def _brake(state: BrakeState) -> Answer:
    return answer(schemas_out.Brake.of(state), 202)


def _wait(state: BrakeState) -> Answer:
    return answer(schemas_out.Brake.of(state), 200)


@api.post("/collections/<string:collection>/make-again")
@api.output(schemas_out.Brake, 202, description="Released; it goes on.", example=BRAKE)
@api.doc(
    operation_id="make_partitions_again",
    tags=["Partitions"],
    responses={
        409: "not_braked: nothing is held back there; or collection_missing: there is none."
    },
)
@honours_keys(_brake)
def make_again(collection: str, idempotency: Idempotency) -> BrakeState:
    """Make a collection's missing partitions again

    Releases the brake, and accepts the collection that answers under this name now. The next sweep
    makes again what is missing then, empty; each tenant is marked with `rows_lost_at`.
    """
    return current.services().brakes.make_again(
        collection, actor=current.actor(), idempotency=idempotency
    )


@api.post("/collections/<string:collection>/wait")
@api.output(schemas_out.Brake, description="It stays held back.", example=BRAKE)
@api.doc(
    operation_id="wait_for_collection",
    tags=["Partitions"],
    responses={409: "not_braked: nothing is held back there."},
)
@honours_keys(_wait)
def wait(collection: str, idempotency: Idempotency) -> BrakeState:
    """Leave a collection held back

    Stores who has seen it. Nothing else changes.
    """
    return current.services().brakes.wait(
        collection, actor=current.actor(), idempotency=idempotency
    )


def _restored(state: RestoredState) -> Answer:
    return answer(schemas_out.Restored.of(state), 200)


@api.post("/restore/acknowledge")
@api.output(schemas_out.Restored, description="Drops go on.", example=RESTORED)
@api.doc(
    operation_id="acknowledge_restore",
    tags=["Partitions"],
    responses={409: "not_restored: nothing is held back by a restore."},
)
@honours_keys(_restored)
def acknowledge_restore(idempotency: Idempotency) -> RestoredState:
    """Acknowledge that the database was restored

    Partitions of deleted tenants are dropped again when they are due: in an old backup there may be
    deletions that were taken back since.
    """
    incarnations = current.services().incarnations
    return incarnations.acknowledge(actor=current.actor(), idempotency=idempotency)


def _pausing(state: PauseState | None) -> Answer:
    paused = schemas_out.Pause.of(state) if state else None
    return answer(schemas_out.Pausing(paused=paused), 200)


@api.post("/partitions/pause")
@api.input(schemas_in.PauseOrder, arg_name="order", example=PAUSE)
@api.output(schemas_out.Pausing, description="Paused.", example=PAUSED)
@api.doc(operation_id="pause_provisioning", tags=["Partitions"])
@honours_keys(_pausing)
def pause(order: schemas_in.PauseOrder, idempotency: Idempotency) -> PauseState:
    """Pause all provisioning

    For maintenance of Milvus: sign-ups go on, and their partitions wait. Attempts under way end
    by themselves. A pause that lasts already stays as it is.
    """
    return current.services().pauses.pause(
        order.reason, actor=current.actor(), idempotency=idempotency
    )


@api.post("/partitions/resume")
@api.output(schemas_out.Pausing, description="Goes on.", example=RUNNING)
@api.doc(operation_id="resume_provisioning", tags=["Partitions"])
@honours_keys(_pausing)
def resume(idempotency: Idempotency) -> None:
    """Let provisioning go on

    All that waited goes on at once. Changes nothing where nothing is paused.
    """
    current.services().pauses.resume(actor=current.actor(), idempotency=idempotency)
