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

from webapp.queue.own_jobs import OwnJob, is_own_id, read_own

NOT_OURS = "There is no such job of Paratia's here; other applications' jobs stay as they are."


def requeue_job(job_id: str) -> ResponseReturnValue:
    return _change_one(job_id, _requeue)


def delete_job(job_id: str) -> ResponseReturnValue:
    """Delete a job of ours; its tenant stays, and can be retried."""
    return _change_one(job_id, _delete)


def requeue_all(queue_name: str) -> ResponseReturnValue:
    return jsonify(status="OK", count=sum(map(_requeue, _own_jobs(queue_name, "failed"))))


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
