"""The endpoint that creates many tenants at once."""

from collections.abc import Sequence

from webapp import current
from webapp.api import incoming, outgoing
from webapp.api.blueprint import api
from webapp.api.examples import BULK, NEW_TENANTS
from webapp.api.refusals import told_of
from webapp.api.repeats import answer, honours_keys
from webapp.tenants.bulk import Result, Row, Wanted
from webapp.tenants.models import Tenant
from webapp.tenants.repeats import Answer, Once


def _all_told(results: Sequence[Result]) -> Answer:
    told = [_told(index, result) for index, result in enumerate(results)]
    return answer(outgoing.BulkResults(results=told), 200)


def _told(index: int, result: Result) -> outgoing.BulkCreated | outgoing.BulkRefused:
    if isinstance(result, Tenant):
        tenant = outgoing.Tenant.of(result)
        return outgoing.BulkCreated(index=index, status=201, tenant=tenant)
    error = told_of(result)
    return outgoing.BulkRefused(index=index, status=error.status, error=error)


@api.post("/tenants/bulk")
@api.input(incoming.NewTenants, arg_name="new", example=NEW_TENANTS)
@api.output(outgoing.BulkResults, description="A result for each row.", example=BULK)
@api.doc(operation_id="create_tenants", tags=["Tenants"])
@honours_keys(_all_told)
def create_many(new: incoming.NewTenants, once: Once) -> list[Result]:
    """Create up to 1,000 tenants

    A result for each row, in the order of the rows: a row that is unusable, or whose slug is
    taken, leaves the others alone. Their partitions are made behind those of single sign-ups.
    """
    rows: list[Row] = [
        Wanted(row.name, row.slug) if isinstance(row, incoming.NewTenant) else row
        for row in new.rows()
    ]
    return current.domain().bulk.create(rows, actor=current.actor(), once=once)
