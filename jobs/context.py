"""The context of a job: services and one open connection to Milvus for each process."""

import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property

import structlog
from redis import RedisError
from rq import get_current_job
from sqlalchemy.exc import SQLAlchemyError

from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.script import ScriptAnswer, run_script
from jobs.milvus.store import PartitionStore
from webapp.db.schema_revision import Schema, SchemaState
from webapp.db.session import open_database
from webapp.logs import get_logger
from webapp.outages import sentence
from webapp.queue.redis_writes import require_writes
from webapp.services import Services
from webapp.settings import Settings, load_settings

POLL_S = 1.0
ANSWER_WITHIN_S = 1.5

log = get_logger("paratia.schema")
log_of_redis = get_logger("paratia.redis")


class JobFailed(Exception):
    """A job failed with an error that holds a secret; the message is its masked traceback."""


class Worker:
    """What a process keeps from job to job."""

    def __init__(self, settings: Settings, services: Services | None = None) -> None:
        self.settings = settings
        self.services = services or Services(settings, open_database(settings.database_address))
        # Set once the process is asked to stop: a job then hands back its claims.
        self.stop = threading.Event()

    @cached_property
    def store(self) -> PartitionStore:
        """The connection to Milvus, opened by its first call in this process."""
        settings = self.settings
        return MilvusPartitionStore(
            settings.milvus_address,
            settings.milvus_token or "",
            settings.milvus_timeout,
            settings.milvus_tls,
        )

    @cached_property
    def schema(self) -> Schema:
        return Schema(self.services.database)

    def script(self, collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        """Run the fallback script; see `run_script`."""
        settings = self.settings
        return run_script(
            settings.milvus_address,
            settings.milvus_token or "",
            collection,
            partition,
            settings.milvus_timeout,
            check=check,
            tls=settings.milvus_tls,
        )


@cache
def worker() -> Worker:
    """This process's worker, made from the environment."""
    return Worker(load_settings())


def await_schema(schema: Schema, stop: threading.Event) -> bool:
    """Wait until the database answers with tables that this release runs on, or for `stop`.

    Returns whether it does. One line says what is waited for, and one when it is over.
    """
    told = None
    while not stop.is_set():
        try:
            revision = schema.revision()
        except SQLAlchemyError as error:
            reason: dict[str, str | None] = {"error": type(error).__name__, "message": str(error)}
        else:
            reason = {"found": revision.found, "wanted": revision.wanted}
            reason |= {"message": revision.sentence}
            if revision.serves:
                if told:
                    log.info("schema.reached", **reason)
                elif revision.state is SchemaState.AHEAD:
                    log.warning("schema.ahead", **reason)
                return True
        if reason != told:
            log.error("schema.waits", **reason)
            told = reason
        stop.wait(POLL_S)
    return False


def await_redis(known: Worker) -> bool:
    """Wait until Redis takes writes, or for the process's stop; returns whether it does.

    One line says what is waited for, and one when it is over.
    """
    told = None
    while not known.stop.is_set():
        try:
            require_writes(known.settings.redis_address, ANSWER_WITHIN_S)
        except RedisError as error:
            reason = sentence(error, known.settings)
        else:
            if told:
                log_of_redis.info("redis.reached")
            return True
        if reason != told:
            log_of_redis.error("redis.waits", message=reason)
            told = reason
        known.stop.wait(POLL_S)
    return False


@contextmanager
def job_context() -> Iterator[tuple[Worker, str | None]]:
    """The worker and the job's id; log lines have the ids of job and request."""
    job = get_current_job()
    ids = {"job_id": job.id, "request_id": job.meta.get("request_id")} if job else {}
    with structlog.contextvars.bound_contextvars(**ids):
        try:
            yield worker(), (job.id if job else None)
        except Exception as error:
            _raise_masked(error, worker().settings)
            raise


def _raise_masked(error: Exception, settings: Settings) -> None:
    # RQ stores the traceback in Redis and shows it at `/rq/`, so it must hold no secret.
    trace = "".join(traceback.format_exception(error))
    masked = settings.mask(trace)
    if masked != trace:
        raise JobFailed(masked) from None
