"""What a job works with: the application, made once per process, and one warm connection."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any, cast

import structlog
from flask import Flask, current_app, has_app_context
from rq import get_current_job

from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.script import ScriptAnswer, run_script
from jobs.milvus.store import PartitionStore
from webapp import create_app, current
from webapp.services import Services
from webapp.settings import Settings, load_settings


class JobFailed(Exception):
    """A job failed of an error that repeats a secret; the message is its masked traceback."""


class Worker:
    """Everything that this process keeps from job to job."""

    def __init__(self, settings: Settings, app: Flask | None = None) -> None:
        self.settings = settings
        self.app = app or create_app(settings)

    @property
    def services(self) -> Services:
        """The use cases."""
        return cast(Services, self.app.extensions["services"])

    @cached_property
    def store(self) -> PartitionStore:
        """The connection to Milvus: opened by its first call, in the process that works."""
        settings = self.settings
        return MilvusPartitionStore(
            settings.milvus_address, settings.milvus_token or "", settings.milvus_timeout
        )

    def script(self, collection: str, partition: str, *, check: bool = False) -> ScriptAnswer:
        """Run the fallback script; see `jobs.milvus.script`."""
        settings = self.settings
        return run_script(
            settings.milvus_address,
            settings.milvus_token or "",
            collection,
            partition,
            settings.milvus_timeout,
            check=check,
        )


@cache
def worker() -> Worker:
    """This process's worker: of the command that runs, else made from the environment."""
    if has_app_context():
        return Worker(current.settings(), cast(Any, current_app)._get_current_object())
    return Worker(load_settings())


@contextmanager
def job_context() -> Iterator[tuple[Worker, str | None]]:
    """The worker and the job's id, with the ids of job and request in every log line."""
    job = get_current_job()
    ids = {"job_id": job.id, "request_id": job.meta.get("request_id")} if job else {}
    with structlog.contextvars.bound_contextvars(**ids):
        try:
            yield worker(), (job.id if job else None)
        except Exception as error:
            _raise_masked(error, worker().settings)
            raise


def _raise_masked(error: Exception, settings: Settings) -> None:
    """RQ keeps the traceback in Redis and shows it at `/rq/`: it must hold no secret."""
    told = "".join(traceback.format_exception(error))
    masked = settings.mask(told)
    if masked != told:
        raise JobFailed(masked) from None
