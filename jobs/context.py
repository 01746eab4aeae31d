"""The context of a job: services and one open connection to Milvus for each process."""

import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property

import structlog
from rq import get_current_job

from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.script import ScriptAnswer, run_script
from jobs.milvus.store import PartitionStore
from webapp.db.session import open_database
from webapp.services import Services
from webapp.settings import Settings, load_settings


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
