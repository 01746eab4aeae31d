"""The endpoints about all partitions at once."""

from webapp import current
from webapp.api import incoming, outgoing
from webapp.api.blueprint import api
from webapp.api.examples import DRIFT, PAUSE, PAUSED, RUNNING, SUMMARY
from webapp.api.repeats import answer, honours_keys
from webapp.tenants.figures import summary
from webapp.tenants.findings import known_drift
from webapp.tenants.paused import PauseState
from webapp.tenants.repeats import Answer, Once


@api.get("/partitions/summary")
@api.output(outgoing.Summary, example=SUMMARY)
@api.doc(operation_id="get_partitions_summary", tags=["Partitions"])
def counts() -> outgoing.Summary:
    """Count partitions by state and cause, with what is left of each collection

    What is said of Milvus is what was last seen of it, with the time it was seen at.
    """
    with current.database().reading() as session:
        counted = summary(session, current.settings())
    return outgoing.Summary.of(counted)


@api.get("/partitions/drift")
@api.output(outgoing.Drift, example=DRIFT)
@api.doc(operation_id="get_partitions_drift", tags=["Partitions"])
def drift() -> outgoing.Drift:
    """Show where Milvus departs from what is wanted

    What the last sweep found, with the time of its comparison; Milvus is not asked.
    """
    with current.database().reading() as session:
        known = known_drift(session, current.domain().rules)
    return outgoing.Drift.of(known)


def _pausing(state: PauseState | None) -> Answer:
    paused = outgoing.Pause.of(state) if state else None
    return answer(outgoing.Pausing(paused=paused), 200)


@api.post("/partitions/pause")
@api.input(incoming.PauseOrder, arg_name="order", example=PAUSE)
@api.output(outgoing.Pausing, description="Paused.", example=PAUSED)
@api.doc(operation_id="pause_provisioning", tags=["Partitions"])
@honours_keys(_pausing)
def pause(order: incoming.PauseOrder, once: Once) -> PauseState:
    """Pause all provisioning

    For maintenance of Milvus: sign-ups go on, and their partitions wait. Attempts under way end
    by themselves. A pause that lasts already stays as it is.
    """
    return current.domain().pauses.pause(order.reason, actor=current.actor(), once=once)


@api.post("/partitions/resume")
@api.output(outgoing.Pausing, description="Goes on.", example=RUNNING)
@api.doc(operation_id="resume_provisioning", tags=["Partitions"])
@honours_keys(_pausing)
def resume(once: Once) -> None:
    """Let provisioning go on

    All that waited goes on at once. Changes nothing where nothing is paused.
    """
    current.domain().pauses.resume(actor=current.actor(), once=once)
