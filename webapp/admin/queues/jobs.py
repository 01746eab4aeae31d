"""What a job's id tells of it, since jobs are named after whom they are for."""

import re
from dataclasses import dataclass

from webapp.tenants.dispatch import CHUNK_ID
from webapp.tenants.naming import MAX_TENANT_ID

OF_ONE = re.compile(r"t([1-9]\d{0,18})-g\d{1,10}-d\d{1,10}", re.ASCII)
OF_MANY = re.compile(r"(\d{1,9}) tenants from (\d{1,19})", re.ASCII)


@dataclass(frozen=True)
class ToldJob:
    """A job: whose it is, or the first of how many; both None for one that is none of ours."""

    id: str
    tenant_id: int | None = None
    tenants: int | None = None


def tenant_of(job_id: str) -> int | None:
    """The tenant whose job this is; None for a chunk's, and for what is none of ours."""
    found = OF_ONE.fullmatch(job_id)
    number = int(found[1]) if found else None
    return number if number and number <= MAX_TENANT_ID else None


def told_of(job_id: str, description: str) -> ToldJob:
    """What id and description tell; whoever can write to Redis may have written them."""
    if number := tenant_of(job_id):
        return ToldJob(job_id, tenant_id=number)
    found = OF_MANY.fullmatch(description) if job_id.startswith(CHUNK_ID) else None
    if found:
        return ToldJob(job_id, tenant_id=int(found[2]), tenants=int(found[1]))
    return ToldJob(job_id)
