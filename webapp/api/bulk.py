"""The endpoint that creates many tenants at once."""

from collections.abc import Sequence

from webapp import current
from webapp.api import schemas_in, schemas_out
from webapp.api.errors import problem_of
from webapp.api.examples import BULK, NEW_TENANTS
from webapp.api.idempotency import answer, honours_keys
from webapp.api.routing import api
from webapp.api.tenants import NOT_COMPARED
from webapp.idempotency import Answer, Idempotency
from webapp.models.tenant import Tenant
from webapp.tenants.create_many import Result, Row, Wanted


def _answer_of(results: Sequence[Result]) -> Answer:
    rows = [_result_of(index, result) for index, result in enumerate(results)]
    return answer(schemas_out.BulkResults(results=rows), 200)


def _result_of(index: int, result: Result) -> schemas_out.BulkCreated | schemas_out.BulkRefused:
    if isinstance(result, Tenant):
        tenant = schemas_out.Tenant.of(result)
        return schemas_out.BulkCreated(index=index, status=201, tenant=tenant)
    error = problem_of(result)
    return schemas_out.BulkRefused(index=index, status=error.status, error=error)


@api.post("/tenants/bulk")
@api.input(schemas_in.NewTenants, arg_name="new", example=NEW_TENANTS)
@api.output(schemas_out.BulkResults, description="A result for each row.", example=BULK)
@api.doc(operation_id="create_tenants", responses={503: NOT_COMPARED})
@honours_keys(_answer_of)
def create_many(new: schemas_in.NewTenants, idempotency: Idempotency) -> list[Result]:
    """Create up to 1,000 tenants

    A result for each row, in the order of the rows: a row that is unusable, or whose slug is
    taken, leaves the others alone. Their partitions are made behind those of single sign-ups.
    """
    rows: list[Row] = [
        Wanted(row.name, row.slug) if isinstance(row, schemas_in.NewTenant) else row
        for row in new.rows()
    ]
    return current.services().bulk.create(rows, actor=current.actor(), idempotency=idempotency)
