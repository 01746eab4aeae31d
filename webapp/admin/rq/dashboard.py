"""rq-dashboard at /rq/, for admins only, with its vulnerabilities closed.

rq-dashboard 0.9.0 has no login, unpickles data from Redis, changes state by GET, renders a job's
description and traceback as HTML (its issue 526), and writes the queue's name from the address into
a script.
"""

import functools
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

from apiflask import APIFlask
from flask import request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from rq import Queue, Worker
from rq.exceptions import (
    DeserializationError,
    InvalidJobOperation,
    NoSuchJobError,
    TimeoutFormatError,
)
from rq.executions import Execution
from rq.job import Job
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.utils import as_text
from rq.worker.base import BaseWorker
from rq.worker_registration import REDIS_WORKER_KEYS
from rq_dashboard import web

from webapp.addresses import without_password
from webapp.admin.rq import changes
from webapp.admin.rq.guard import guard, record_audit
from webapp.admin.rq.job_lists import jobs_of_page
from webapp.db.safe_methods import ChangeRefused
from webapp.http.error_pages import error_page
from webapp.queue.own_jobs import RESULTS, tenant_of, unpacks_to_more_than
from webapp.settings import Settings

# Limit for a job's data or traceback; compressed data may unpack to any size.
MAX_SHOWN_BYTES = 1_000_000
# RQ's errors for hashes that it did not write.
UNREADABLE = (
    *(ValueError, AssertionError, KeyError, TypeError, AttributeError),
    *(DeserializationError, TimeoutFormatError, ResponseError),
)
NO_JOB = (404, _l("Not found"), _l("There is no such job in the queue's registry."))
NOT_READABLE = (
    422,
    _l("Not readable"),
    _l("What Redis holds here is not as RQ writes it, or too large, so it cannot be shown."),
)
REFUSED = (
    503,
    _l("Redis refuses this"),
    _l("Redis answers, and refuses to run this command. Its log says why."),
)
NO_REDIS = (
    503,
    _l("Redis does not answer"),
    _l("The job queue cannot be shown without Redis. Start it, then try again."),
)
# Status, title and sentence of the page for each error.
ANSWERS: Mapping[type, tuple[int, str, str]] = {
    **dict.fromkeys(UNREADABLE, NOT_READABLE),
    NoSuchJobError: NO_JOB,
    InvalidJobOperation: NO_JOB,
    RedisError: NO_REDIS,
}
# Instead of the dashboard's own, which change other applications' jobs as well.
CHANGES: Mapping[str, Callable[..., Any]] = {
    "requeue_job_view": changes.requeue_job,
    "delete_job_view": changes.delete_job,
    "requeue_all": changes.requeue_all,
    "empty_queue": changes.empty,
    "compact_queue": changes.compact,
}
# The pages; all other endpoints are for scripts.
PAGES = {"queues_overview", "workers_overview", "jobs_overview", "job_view"}
_original_serialize = web.serialize_queues


class JsonJob(Job):
    """A job that is read as JSON: pickled data in Redis is never loaded."""

    @classmethod
    def fetch(cls, *args: Any, **kwargs: Any) -> Job:
        """As RQ's, with the JSON serializer, which the callers leave out."""
        return super().fetch(*args, **{**kwargs, "serializer": JSONSerializer})

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """As RQ's; refuses data that unpacks to more than `MAX_SHOWN_BYTES`."""
        _refuse_oversized(raw_data.get(b"data"), raw_data.get(b"exc_info"))
        super().restore(raw_data)

    def latest_result(self, timeout: int = 0) -> Result | None:
        """As RQ's; refuses a result that unpacks to more than `MAX_SHOWN_BYTES`."""
        last: Any = self.connection.xrevrange(RESULTS.format(self.id), count=1)
        for _id, fields in last:
            _refuse_oversized(b64decode(fields.get(b"exc_string", b"")))
        return super().latest_result(timeout)


class JsonWorker(Worker):
    """A worker whose job is read as JSON; the dashboard's own list answers 500."""

    @classmethod
    def all(cls, connection: Redis, **_options: Any) -> list[BaseWorker]:  # type: ignore[override]
        keys = [key.decode(errors="replace") for key in _members(connection, REDIS_WORKER_KEYS)]
        workers = (cls._find(key, connection) for key in sorted(keys) if connection.exists(key))
        return [worker for worker in workers if worker]

    @classmethod
    def _find(cls, key: str, connection: Redis) -> BaseWorker | None:
        try:
            return cls.find_by_key(key, connection, serializer=JSONSerializer)
        except UNREADABLE:
            return None

    def get_current_job(self) -> Job | None:
        try:
            return super().get_current_job()
        except (*UNREADABLE, NoSuchJobError):
            return None

    @classmethod
    def find_by_key(cls, worker_key: str, *args: Any, **kwargs: Any) -> BaseWorker | None:
        """The worker; None for a dead one, which RQ would remove from its list."""
        try:
            return super().find_by_key(worker_key, *args, **kwargs)
        except ChangeRefused:
            return None

    def get_current_executions(self, refresh: bool = False) -> list[Execution]:
        """The current executions; RQ would remove dead ones from its list."""
        keys = [as_text(key) for key in self.connection.smembers(self.executions_key)]
        executions = [Execution.from_composite_key(key, self.connection) for key in keys]
        return [each for each in executions if self.connection.exists(each.key)]


class JsonQueue(Queue):
    """A queue whose jobs are read as JSON."""

    def fetch_job(self, job_id: str) -> Job | None:
        """The job, when it is of this queue; RQ would remove a missing id from its list."""
        try:
            job = JsonJob.fetch(job_id, connection=self.connection)
        except NoSuchJobError:
            return None
        return job if job.origin == self.name else None

    @classmethod
    def all(cls, connection: Redis, **_options: Any) -> list[Queue]:  # type: ignore[override]
        """All queues with a valid key.

        Raises:
            RedisError: Redis does not answer; for a ConnectionError the dashboard would answer 200.
        """
        prefix = cls.redis_queue_namespace_prefix
        try:
            members = _members(connection, cls.redis_queues_keys)
        except RedisConnectionError as error:
            raise RedisError(str(error)) from error
        keys = [key.decode(errors="replace") for key in members]
        names = (key.removeprefix(prefix) for key in keys if key.startswith(prefix))
        return [cls(name, connection=connection, serializer=JSONSerializer) for name in names]


def _refuse_oversized(*packed: bytes | None) -> None:
    if any(unpacks_to_more_than(MAX_SHOWN_BYTES, each) for each in packed if each):
        raise ValueError("larger than what is shown")


def _members(connection: Redis, key: str) -> set[bytes]:
    return cast(set[bytes], connection.smembers(key))


def _answer(error: Exception) -> ResponseReturnValue:
    """A page where a page was requested; for scripts the sentence alone."""
    kind = next(kind for kind in type(error).__mro__ if kind in ANSWERS)
    # A key of another kind is garbage; Redis's other errors are its own.
    is_refusal = isinstance(error, ResponseError) and "WRONGTYPE" not in str(error)
    status, title, sentence = REFUSED if is_refusal else ANSWERS[kind]
    if (request.endpoint or "").removeprefix("rq_dashboard.") in PAGES:
        return error_page(status, title, sentence)
    return str(sentence), status


def _serialize_queues(instance_number: int, queues: list[Queue]) -> list[dict[str, Any]]:
    figures: list[dict[str, Any]] = []
    for queue in queues:
        with suppress(ResponseError):
            figures += _original_serialize(instance_number, [queue])
    return figures


@functools.cache
def _patch() -> None:
    """Patch the dashboard's module and blueprint once a process: all apps share them."""
    web.config.serializer = JSONSerializer
    web.Job, web.Worker, web.Queue = JsonJob, JsonWorker, JsonQueue
    web.serialize_queues = _serialize_queues
    web.get_queue_registry_jobs_count = jobs_of_page
    blueprint = web.blueprint
    # Instead of the dashboard's own, which opens a connection for each request.
    blueprint.before_request_funcs[None] = [guard]
    blueprint.after_request(record_audit)
    for error in ANSWERS:
        blueprint.register_error_handler(error, _answer)


def init_app(app: APIFlask, settings: Settings) -> None:
    """Mount the dashboard on the application's Redis."""
    _patch()
    app.config["RQ_DASHBOARD_REDIS_URL"] = [without_password(settings.redis_address)]
    app.jinja_env.filters["tenant_of_job"] = tenant_of
    _escape_in_scripts(app)
    app.register_blueprint(web.blueprint, url_prefix="/rq")
    for name, view in CHANGES.items():
        app.view_functions[f"rq_dashboard.{name}"] = view


def _escape_in_scripts(app: APIFlask) -> None:
    """Flask escapes only in `.html`, but the dashboard's script templates end in `.js`."""
    escapes = app.select_jinja_autoescape

    def decide(name: str | None) -> bool:
        return escapes(name) or (name or "").startswith("rq_dashboard/")

    app.jinja_env.autoescape = decide
