"""The endpoints about all partitions at once."""

from webapp import current
from webapp.api import outgoing
from webapp.api.blueprint import api
from webapp.api.examples import DRIFT, SUMMARY
from webapp.tenants.figures import summary
from webapp.tenants.findings import known_drift


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
