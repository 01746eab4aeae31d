"""What a job's id tells of it, since jobs are named after whom they are for."""

import re
from dataclasses import dataclass

from webapp.queue.own_jobs import is_own_id, tenant_of

OF_MANY = re.compile(r"(\d{1,9}) tenants from (\d{1,19})", re.ASCII)


@dataclass(frozen=True)
class JobInfo:
    """A job: whose it is, or the first of how many; both None for one that is none of ours."""

    id: str
    tenant_id: int | None = None
    tenants: int | None = None


def job_info_of(job_id: str, description: str) -> JobInfo:
    """What id and description tell; whoever can write to Redis may have written them."""
    if number := tenant_of(job_id):
        return JobInfo(job_id, tenant_id=number)
    found = OF_MANY.fullmatch(description) if is_own_id(job_id) else None
    if found:
        return JobInfo(job_id, tenant_id=int(found[2]), tenants=int(found[1]))
    return JobInfo(job_id)
