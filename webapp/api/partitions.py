"""The endpoints about all partitions at once."""

from webapp import current
from webapp.api import schemas_in, schemas_out
from webapp.api.examples import DRIFT, PAUSE, PAUSED, RUNNING, SUMMARY
from webapp.api.idempotency import answer, honours_keys
from webapp.api.routing import api
from webapp.idempotency import Answer, Idempotency
from webapp.partitions.drift import known_drift
from webapp.partitions.pause_state import PauseState
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
