"""Whose rows a partition holds that was there before any attempt of ours: judged in one place."""

from jobs.milvus.store import StoreError
from jobs.provisioning.claims import Claim, Outcome
from webapp.models.causes import Cause
from webapp.models.states import IfExists, Provider, Result
from webapp.partitions.events import row_count


def accepted(claim: Claim, rows: int | None, provider: Provider) -> Outcome:
    """The outcome for a partition that exists and holds so many rows (None: nobody knows).

    Where the rows are known to be the tenant's own, their number does not matter.

    Raises:
        StoreError: `foreign_data`, where they are not, and nobody has decided to adopt them.
    """
    if claim.owns_rows or rows == 0:
        result = Result.CREATED if claim.is_ours else Result.ALREADY_EXISTS
        return Outcome(result, provider)
    if claim.if_exists == IfExists.ADOPT:
        return Outcome(Result.ALREADY_EXISTS, provider, is_adopted=True, rows=rows)
    raise StoreError(
        Cause.FOREIGN_DATA,
        f"partition {claim.partition} of collection {claim.collection} was there before any "
        f"attempt of ours, with {row_count(rows)}",
    )


def is_to_be_emptied(claim: Claim, rows: int | None) -> bool:
    """Whether an operator has decided that these rows be destroyed."""
    return claim.if_exists == IfExists.EMPTY and not claim.owns_rows and rows != 0
