"""The worker: runs our two functions and nothing else.

RQ imports and calls what a job names: its function, callbacks and webhooks. So every client that
can write to Redis could run code here. This worker reads a job by `webapp.queue.own_jobs` alone,
and fails every other job.
"""

import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from redis import Redis, ResponseError
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.job_lifecycle import call_exception_handlers
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY

from jobs import context
from jobs.patient_worker import PatientWorker
from jobs.provisioning import ProvisioningFailed, create_partition, create_partitions
from webapp.conditions.watch import Watch
from webapp.logs import get_logger
from webapp.models.process import ProcessKind
from webapp.queue.own_jobs import (
    APPLICATION,
    APPLICATION_FIELD,
    CHUNK,
    ONE,
    NotOurs,
    OwnJob,
    is_own_id,
    read_own,
)
from webapp.settings import Settings

log = get_logger("paratia.worker")

FUNCTIONS: Mapping[str | None, Callable[..., None]] = {
    ONE: create_partition,
    CHUNK: create_partitions,
}
# A dead worker is deleted, and its job fails, after 88 s in place of RQ's 13 minutes.
WORKER_TTL_S, MAINTENANCE_S, MONITORING_S = 45, 30, 5
# A negative score is never cleaned up: the owner of the job decides about it.
FOR_EVER = -1

REFUSED = (
    f"Not run: {{reason}}. Paratia's workers run {ONE} and {CHUNK} alone, with ids and arguments "
    "as Paratia writes them. If this job is another application's, give each a Redis database "
    "of its own (REDIS_URL), and requeue the job there."
)
ABANDONED = "The worker that had this job in hand died or stalled."


class PartitionJob(OwnJob):
    @property
    def func(self) -> Callable[..., None]:
        """One of our two functions; no name from Redis is imported."""
        return FUNCTIONS[self.func_name]


class PartitionQueue(Queue):
    """A queue that returns our jobs alone, and fails the others."""

    @classmethod
    def dequeue_any(
        cls,
        queues: Iterable[Queue],
        timeout: int | None,
        connection: Redis,
        *_rest: Any,
        **_more: Any,
    ) -> tuple[Job, Queue] | None:
        """Our next job with its queue, the first queue first; None where all are empty.

        Raises:
            DequeueTimeout: none came within `timeout` seconds.
        """
        by_key = {queue.key.encode(): queue for queue in queues}
        keys = [queue.key for queue in by_key.values()]
        while popped := cls.lpop(keys, timeout, connection=connection):
            key, job_id = (_bytes(each) for each in popped)
            try:
                return _job(by_key[key], job_id), by_key[key]
            except NoSuchJobError:
                continue
            except NotOurs as refusal:
                _set_aside(by_key[key], job_id, str(refusal))
        return None

    def move_dependents_to_ready(self, *_args: Any, **_options: Any) -> dict[str, list[str]]:
        """Our jobs have no dependents: a job that names one of ours is not ours."""
        return {}


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _job(queue: Queue, job_id: bytes) -> PartitionJob:
    if not is_own_id(job_id):
        raise NotOurs("its id is none of ours")
    job = PartitionJob(job_id.decode(), connection=queue.connection, serializer=JSONSerializer)
    try:
        job.refresh()  # type: ignore[no-untyped-call]
    except ResponseError:
        raise NotOurs("its key holds no job") from None
    # The stored origin could name the registries of another queue.
    job.origin = queue.name
    return job


def _set_aside(queue: Queue, job_id: bytes, reason: str) -> None:
    """Fail the job with the reason; its other fields stay."""
    shown = job_id[:100].decode(errors="backslashreplace")
    log.warning("worker.job_refused", job_id=shown, queue=queue.name, reason=reason)
    key = Job.key_for("").encode() + job_id
    try:
        name = job_id.decode()
    except UnicodeDecodeError:
        # No application made it, and in a registry it would break RQ's own tools.
        return
    connection = queue.connection
    if not connection.exists(key):
        return
    pipeline = connection.pipeline(transaction=False)
    pipeline.zadd(queue.failed_job_registry.key, {job_id: FOR_EVER})
    pipeline.hset(key, mapping={"status": JobStatus.FAILED.value, "ended_at": utcformat(now())})
    pipeline.persist(key)
    message = REFUSED.format(reason=reason)
    refusal = Result(name, Result.Type.FAILED, connection, exc_string=message)
    refusal.save(ttl=FOR_EVER, pipeline=pipeline)  # type: ignore[no-untyped-call]
    # A key of another type takes no status; the registry shows it as failed all the same.
    pipeline.execute(raise_on_error=False)


class PartitionWorker(PatientWorker):
    """Keeps one Milvus client open, and never forks.

    With every command that starts it, it reads JSON, has no scheduler, and takes sign-ups first.
    """

    job_class = PartitionJob
    queue_class = PartitionQueue
    log_result_lifespan = False
    watch: Watch | None = None

    def __init__(self, queues: Sequence[str], connection: Redis, **options: Any) -> None:
        super().__init__(
            queues,
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_S,
            maintenance_interval=MAINTENANCE_S,
            job_monitoring_interval=MONITORING_S,
            log_job_description=False,
            **options,
        )

    def work(self, burst: bool = False, *args: Any, **options: Any) -> bool:
        """Work until stopped, or with `burst` until the queues are empty.

        It registers in Redis and takes a job once the schema serves and Redis takes writes, and
        waits for that.

        Raises:
            SchemaBehind: with `burst`, which does not wait. Nor does it for Redis.
        """
        if burst:
            context.worker().schema.require()
            self._show()
        elif not self._await_parts(context.worker()):
            return False
        ours = {"with_scheduler": False, "dequeue_strategy": "default"}
        return super().work(burst, *args, **{**options, **ours})

    def _await_parts(self, known: context.Worker) -> bool:
        """Wait for schema and Redis; False where the process is to stop before they are there."""
        for ending in (signal.SIGTERM, signal.SIGINT):
            # RQ sets its own when it begins.
            signal.signal(ending, lambda *_: known.stop.set())
        if not context.await_schema(known.schema, known.stop):
            return False
        # Before Redis is there: it shows a worker that lives, and what Redis answers it.
        self._show()
        if context.await_redis(known):
            return True
        if self.watch:
            self.watch.heartbeat.stop()
        return False

    def _show(self) -> None:
        if self.watch:
            self.watch.heartbeat.start()

    def teardown(self) -> None:
        """Sign off, in the database first: Redis may have gone."""
        if self.watch:
            self.watch.heartbeat.stop()
        super().teardown()  # type: ignore[no-untyped-call]

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job, and show meanwhile which."""
        self._show_activity(f"{job.id}: {job.description}")
        try:
            super().execute_job(job, queue)
        finally:
            self._show_activity(None)

    def _show_activity(self, activity: str | None) -> None:
        if self.watch:
            self.watch.heartbeat.set_activity(activity)

    def bootstrap(self, *args: Any, **options: Any) -> None:
        super().bootstrap(*args, **options)
        log.info("worker.started", worker=self.name, pid=self.pid, queues=self.queue_names())

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log the exception, unless a failed attempt has logged it already."""
        if isinstance(exc_info[1], ProvisioningFailed):
            call_exception_handlers(self._exc_handlers, job, *exc_info)
            return
        super().handle_exception(job, *exc_info)

    def serialize(self) -> dict[str, Any]:
        """The fields in Redis, with the name of the application."""
        return {**super().serialize(), APPLICATION_FIELD: APPLICATION}

    def handle_warm_shutdown_request(self) -> None:
        """Have the job under way hand back its claims: RQ waits for its end."""
        context.worker().stop.set()
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]

    def procline(self, message: str) -> None:
        """Keep the command line, by which the process is found."""

    def handle_payload(self, message: Any) -> None:
        """Handle a command of RQ; an unreadable one must not end the thread that listens."""
        try:
            super().handle_payload(message)  # type: ignore[no-untyped-call]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            log.warning("worker.command_unreadable", error=type(error).__name__)

    def run_maintenance_tasks(self) -> None:
        """Clean up our expired jobs and workers.

        RQ's own method would also run the callbacks of other applications' abandoned jobs, and
        remove their jobs from the registries.
        """
        for queue in self.queues:
            try:
                self._drop_expired(queue)
                self._fail_abandoned(queue)
                self._drop_dead_workers(queue)
            except ResponseError as error:
                log.warning("worker.maintenance_failed", queue=queue.name, message=str(error))
        self.last_cleaned_at = now()  # type: ignore[assignment]

    def _drop_expired(self, queue: Queue) -> None:
        for registry in (queue.finished_job_registry, queue.failed_job_registry):
            if own := [each for each in self._expired(registry.key) if is_own_id(each)]:
                self.connection.zrem(registry.key, *own)

    def _fail_abandoned(self, queue: Queue) -> None:
        key = queue.started_job_registry.key
        for execution in self._expired(key):
            job_id = execution.rpartition(b":")[0]
            # Of several workers at once, the one that removes it goes on.
            if not is_own_id(job_id) or not self.connection.zrem(key, execution):
                continue
            for job in read_own(self.connection, [job_id.decode()]):
                if job.get_status(refresh=False) == JobStatus.STARTED:
                    job.origin, job.ended_at = queue.name, now()
                    self.handle_job_failure(job, queue, exc_string=ABANDONED)

    def _expired(self, key: str) -> list[bytes]:
        return cast(list[bytes], self.connection.zrangebyscore(key, 0, time.time()))

    def _drop_dead_workers(self, queue: Queue) -> None:
        mine = WORKERS_BY_QUEUE_KEY % queue.name
        keys = list(self.connection.smembers(mine))
        pipeline = self.connection.pipeline(transaction=False)
        for key in keys:
            pipeline.exists(key)
        dead = [key for key, lives in zip(keys, pipeline.execute(), strict=True) if not lives]
        if dead:
            self.connection.srem(mine, *dead)
            self.connection.srem(REDIS_WORKER_KEYS, *dead)


def queue_worker(settings: Settings, queues: Sequence[str] = (), **options: Any) -> PartitionWorker:
    """A worker of both queues, or of those named, on a connection of its own."""
    # In this order, so that a sign-up never waits behind the backfill.
    names = queues or [settings.partition_queue, settings.backfill_queue]
    worker = PartitionWorker(names, Redis.from_url(settings.redis_address), **options)
    known = context.worker()
    kind, database = ProcessKind.WORKER, known.services.database
    worker.watch = Watch(database, settings, kind, known.schema, worker.name)
    return worker
