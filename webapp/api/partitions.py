"""The endpoint that counts partitions."""

from webapp import current
from webapp.api import outgoing
from webapp.api.blueprint import api
from webapp.api.examples import SUMMARY
from webapp.tenants.queries import summary


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
