"""The job queue: provisioning jobs in RQ. A lost job costs time, never a tenant."""

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeout
from redis.retry import Retry
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from webapp.db.safe_methods import GuardedRedis
from webapp.models.partition import Partition
from webapp.queue.own_jobs import CHUNK, CHUNK_ID, ONE, RESULTS, is_own_id, read_own_or_gone
from webapp.settings import Settings

ANSWER_TIMEOUT_S = 1.0

# After a time-out Redis is not asked for this long, so that sign-ups do not wait for it. The due
# loop dispatches them later.
SILENCE_S = 3.0

# A job claims its row within milliseconds of its start. One that started longer ago without a claim
# is gone, whatever Redis says.
STARTED_GRACE = timedelta(seconds=10)

# Calls of one attempt: look, create, look, the script (import, wait, call), look. Each has its own
# deadline; RQ's time-out is the last resort.
CALLS_PER_ATTEMPT = 8
ATTEMPT_SLACK_S = 60


class DispatchError(Exception):
    """Redis did not take the job; the due loop dispatches the request again."""


def job_id_of(row: Partition) -> str:
    """The id of the job of the row's last dispatch; unique, since `dispatch` only grows."""
    return f"t{row.tenant_id}-g{row.generation}-d{row.dispatch}"


class JobQueue:
    """Pushes provisioning jobs to RQ, as JSON, and tells which of them still wait."""

    def __init__(self, settings: Settings) -> None:
        self.connection: Redis = GuardedRedis.from_url(
            settings.redis_address,
            socket_connect_timeout=ANSWER_TIMEOUT_S,
            socket_timeout=ANSWER_TIMEOUT_S,
            # One retry, for a connection that was closed meanwhile; a Redis that is down fails at
            # once.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        self._mask = settings.mask
        self._silent_until = 0.0
        self.queue = self._open(settings.partition_queue)
        self.backfill_queue = self._open(settings.backfill_queue)
        self._attempt_timeout_s = int(settings.milvus_timeout * CALLS_PER_ATTEMPT) + ATTEMPT_SLACK_S
        # A chunk stops at its own bound; the attempt under way may still end.
        self._chunk_timeout_s = int(settings.partition_chunk_timeout) + self._attempt_timeout_s

    def _open(self, name: str) -> Queue:
        return Queue(name, connection=self.connection, serializer=JSONSerializer)

    def push(self, rows: Sequence[Partition], *, backfill: bool) -> None:
        """Push a job for each row, and remove the failed job of the last attempt.

        Raises:
            DispatchError: Redis did not answer; some of the jobs may have been pushed.
        """
        queue = self.backfill_queue if backfill else self.queue
        jobs = [
            queue.create_job(
                ONE,
                args=[row.tenant_id, row.generation],
                job_id=job_id_of(row),
                timeout=self._attempt_timeout_s,
                description=f"tenant {row.tenant_id}, request {row.generation}",
                meta={"request_id": row.request_id} if row.request_id else {},
            )
            for row in rows
        ]
        self._push(queue, jobs, rows)

    def push_chunk(self, rows: Sequence[Partition]) -> str:
        """Push one job for all the rows; returns its id.

        Raises:
            DispatchError: Redis did not answer; the job may have been pushed.
        """
        job = self.backfill_queue.create_job(
            CHUNK,
            args=[[[row.tenant_id, row.generation] for row in rows]],
            job_id=f"{CHUNK_ID}{uuid.uuid4().hex[:16]}",
            timeout=self._chunk_timeout_s,
            description=f"{len(rows)} tenants from {rows[0].tenant_id}",
        )
        self._push(self.backfill_queue, [job], rows)
        return str(job.id)

    def _push(self, queue: Queue, jobs: Sequence[Job], rows: Sequence[Partition]) -> None:
        if time.monotonic() < self._silent_until:
            raise DispatchError("Redis did not answer a moment ago")
        try:
            self._forget(row.claimed_job_id for row in rows if row.claimed_job_id)
            pipeline = self.connection.pipeline()
            for job in jobs:
                queue.enqueue_job(job, pipeline=pipeline)
            pipeline.execute()
        except (RedisError, OSError) as error:
            if isinstance(error, RedisTimeout):
                self._silent_until = time.monotonic() + SILENCE_S
            if isinstance(error, ReadOnlyError):
                # After a failover, open connections still lead to the old server.
                self.connection.connection_pool.disconnect(inuse_connections=False)
            raise DispatchError(f"Redis does not take jobs: {self._mask(str(error))}") from None

    def live(self, job_ids: Iterable[str]) -> set[str]:
        """Those of the jobs that wait in a queue, or started within `STARTED_GRACE`.

        Raises:
            DispatchError: Redis did not answer.
        """
        ids = list(job_ids)
        pipeline = self.connection.pipeline(transaction=False)
        pipeline.lrange(self.queue.key, 0, -1)
        pipeline.lrange(self.backfill_queue.key, 0, -1)
        for job_id in ids:
            pipeline.hget(Job.key_for(job_id), "started_at")
        with self._answering():
            # A key of another kind gives an error: no job waits or has started there.
            first, second, *started = pipeline.execute(raise_on_error=False)
        waiting = {each for ids in (first, second) if isinstance(ids, list) for each in ids}
        return {
            job_id
            for job_id, since in zip(ids, started, strict=True)
            if job_id.encode() in waiting or _is_recent(since)
        }

    def forget_failed(self, job_ids: Iterable[str]) -> int:
        """Remove our jobs from RQ's failed registry; returns how many.

        Jobs that are not ours, or cannot be read, stay.

        Raises:
            DispatchError: Redis did not answer.
        """
        with self._answering():
            return self._forget(job_ids)

    def failed_job_ids(self) -> list[str]:
        """The ids of our jobs in the failed registries of both queues.

        Raises:
            DispatchError: Redis did not answer.
        """
        pipeline = self.connection.pipeline(transaction=False)
        for queue in (self.queue, self.backfill_queue):
            pipeline.zrange(queue.failed_job_registry.key, 0, -1)
        with self._answering():
            registries: list[list[bytes]] = pipeline.execute()
        return [job_id.decode() for ids in registries for job_id in ids if is_own_id(job_id)]

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            raise DispatchError(f"Redis does not answer: {self._mask(str(error))}") from None

    def _forget(self, job_ids: Iterable[str]) -> int:
        jobs = read_own_or_gone(self.connection, job_ids)
        if not jobs:
            return 0
        pipeline = self.connection.pipeline()
        for job in jobs.values():
            if job and job.get_status(refresh=False) == JobStatus.FAILED:
                # Not `job.delete()`: it reads more of the job, and fails where that is garbage.
                pipeline.delete(job.key, job.dependents_key, RESULTS.format(job.id))
        for queue in (self.queue, self.backfill_queue):
            pipeline.zrem(queue.failed_job_registry.key, *jobs)
        return sum(pipeline.execute()[-2:])


def _is_recent(started_at: object) -> bool:
    """Whether it is a moment within `STARTED_GRACE`; false for anything else."""
    if not isinstance(started_at, bytes):
        return False
    try:
        moment = datetime.fromisoformat(started_at.decode())
    except ValueError:
        return False
    return moment.tzinfo is not None and datetime.now(UTC) - moment < STARTED_GRACE
