"""What a job's id and description say of its tenants."""

import re
from dataclasses import dataclass

from webapp.queue.own_jobs import is_own_id, tenant_of

OF_MANY = re.compile(r"(\d{1,9}) tenants from (\d{1,19})", re.ASCII)


@dataclass(frozen=True)
class JobInfo:
    """A job with its tenant, or the first of its tenants and their number; None if not ours."""

    id: str
    tenant_id: int | None = None
    tenants: int | None = None


def job_info_of(job_id: str, description: str) -> JobInfo:
    """What id and description say. Any client of Redis may have written them."""
    if number := tenant_of(job_id):
        return JobInfo(job_id, tenant_id=number)
    match = OF_MANY.fullmatch(description) if is_own_id(job_id) else None
    if match:
        return JobInfo(job_id, tenant_id=int(match[2]), tenants=int(match[1]))
    return JobInfo(job_id)
