"""The one rule for pre-existing rows in a partition: the tenant's own, adopted, or refused."""

from jobs.milvus.store import StoreError
from jobs.provisioning.claims import Outcome
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import IfExists, Provider, Result
from webapp.partitions.events import row_count


def accepted(claim: Partition, rows: int | None, provider: Provider) -> Outcome:
    """The outcome of a partition that exists with this number of rows, None for unknown.

    Raises:
        StoreError: `foreign_data`, where the rows are not known to be the tenant's own and no
            operator has decided to adopt them.
    """
    if claim.owns_rows or rows == 0:
        result = Result.CREATED if claim.is_ours else Result.ALREADY_EXISTS
        return Outcome(result, provider)
    if claim.if_exists == IfExists.ADOPT:
        return Outcome(Result.ALREADY_EXISTS, provider, is_adopted=True, rows=rows)
    raise StoreError(
        Cause.FOREIGN_DATA,
        f"partition {claim.name} of collection {claim.collection} was there before any "
        f"attempt of ours, with {row_count(rows)}",
    )


def is_to_be_emptied(claim: Partition, rows: int | None) -> bool:
    """Whether an operator has decided to destroy these rows."""
    return claim.if_exists == IfExists.EMPTY and not claim.owns_rows and rows != 0
