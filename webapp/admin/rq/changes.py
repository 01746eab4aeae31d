"""The changes of rq-dashboard, restricted to our own jobs."""

from collections.abc import Callable, Iterable
from typing import cast

from flask import current_app, jsonify
from flask.typing import ResponseReturnValue
from redis import Redis, ResponseError
from rq import Queue
from rq.job import JobStatus
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.admin.base import reading
from webapp.db.batching import batches
from webapp.halts.pause_state import is_paused
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.queue.own_jobs import OwnJob, is_own_id, read_own, tenant_of

AGAIN = "Requeueing is a retry of a failed attempt, the tenant's last one."
NOT_OURS = "There is no such job of Paratia's here; other applications' jobs stay as they are."


def requeue_job(job_id: str) -> ResponseReturnValue:
    """Retry the tenant whose last attempt was this job's, or answer 409 with the reason."""
    for reason in refusals(reading(), read_own(_connection(), [job_id])).values():
        return f"{reason} {AGAIN}", 409
    return _change_one(job_id, _requeue)


def refusals(session: Session, jobs: Iterable[OwnJob]) -> dict[str, str]:
    """Why each of these jobs would do nothing, by id; those that would retry are left out.

    A chunk's job claims whatever is due, so it is never refused.
    """
    tenant_ids = {job.id: number for job in jobs if (number := tenant_of(job.id))}
    rows = {
        row.tenant_id: row
        for batch in batches(sorted(set(tenant_ids.values())))
        for row in session.scalars(select(Partition).where(Partition.tenant_id.in_(batch)))
    }
    is_on = is_paused(session)
    found = {
        job_id: _refusal(job_id, number, rows.get(number), is_on)
        for job_id, number in tenant_ids.items()
    }
    return {job_id: reason for job_id, reason in found.items() if reason}


def _refusal(job_id: str, number: int, row: Partition | None, is_on: bool) -> str | None:
    if row is None:
        return f"There is no tenant {number}."
    is_waiting = row.state == PartitionState.PENDING and row.attempts > 0
    if row.state != PartitionState.FAILED and not is_waiting:
        return f"The partition of tenant {number} is {row.state or 'not requested'} now."
    if row.claimed_job_id != job_id:
        later = row.claimed_job_id or "no job"
        return f"A later attempt for tenant {number} was made, by {later}."
    return "Provisioning is paused, and the tenant waits." if is_waiting and is_on else None


def delete_job(job_id: str) -> ResponseReturnValue:
    """Delete a job of ours; its tenant stays, and can be retried."""
    return _change_one(job_id, _delete)


def requeue_all(queue_name: str) -> ResponseReturnValue:
    """Retry the tenants of failed jobs; jobs that would do nothing stay as they are."""
    jobs = list(_own_jobs(queue_name, "failed"))
    refused = refusals(reading(), jobs)
    return jsonify(status="OK", count=sum(_requeue(job) for job in jobs if job.id not in refused))


def empty(queue_name: str, registry_name: str) -> ResponseReturnValue:
    """Delete all jobs of ours in a queue, or in one of its registries."""
    for job in _own_jobs(queue_name, registry_name):
        _delete(job)
    return jsonify(status="OK")


def compact(queue_name: str) -> ResponseReturnValue:
    """Remove ids of missing jobs of ours, one by one; RQ's own method refills the whole queue."""
    redis = _connection()
    key = entries_key(Queue(queue_name, connection=redis), "queued")
    for job_id in filter(is_own_id, _entries(redis, key, "queued")):
        if not redis.exists(OwnJob.key_for(job_id.decode())):
            redis.lrem(key, 1, cast(str, job_id))
    return jsonify(status="OK")


def entries_key(queue: Queue, registry_name: str) -> str:
    """The key of the ids: a list for queued jobs, else a sorted set."""
    if registry_name == "queued":
        return str(queue.key)
    return str(getattr(queue, f"{registry_name}_job_registry").key)


def id_in(entry: bytes) -> bytes:
    """The job's id in an entry; started jobs have the execution's id after it."""
    return entry.partition(b":")[0]


def _connection() -> Redis:
    connection: Redis = current_app.extensions["job_queue"].connection
    return connection


def _change_one(job_id: str, change: Callable[[OwnJob], bool]) -> ResponseReturnValue:
    jobs = read_own(_connection(), [job_id])
    if not any(map(change, jobs)):
        return NOT_OURS, 404
    return jsonify(status="OK")


def _own_jobs(queue_name: str, registry_name: str) -> Iterable[OwnJob]:
    redis = _connection()
    key = entries_key(Queue(queue_name, connection=redis), registry_name)
    ids = map(id_in, _entries(redis, key, registry_name))
    return read_own(redis, [job_id.decode() for job_id in ids if is_own_id(job_id)])


def _entries(redis: Redis, key: str, registry_name: str) -> list[bytes]:
    read = redis.lrange if registry_name == "queued" else redis.zrange
    return cast(list[bytes], read(key, 0, -1))


def _requeue(job: OwnJob) -> bool:
    registry = FailedJobRegistry(
        job.origin, connection=job.connection, job_class=OwnJob, serializer=JSONSerializer
    )
    if job.get_status(refresh=False) != JobStatus.FAILED or job.id not in registry:
        return False
    registry.requeue(job)
    return True


def _delete(job: OwnJob) -> bool:
    try:
        job.delete()
    except (ValueError, LookupError, ResponseError):
        # RQ's other keys of the job are unreadable.
        return False
    return True
