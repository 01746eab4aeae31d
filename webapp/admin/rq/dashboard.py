"""rq-dashboard at /rq/, for admins only, with its known holes closed.

The dashboard (0.9.0) has no login, unpickles what it finds, changes state by GET, shows a job's
description and traceback as markup (its issue 526), and writes a queue's name as it stands in the
address into a script.
"""

import functools
from typing import Any

from apiflask import APIFlask
from flask import Response, request
from flask_wtf.csrf import generate_csrf
from redis.exceptions import RedisError
from rq import Queue, Worker, requeue_job
from rq.exceptions import (
    DeserializationError,
    InvalidJobOperation,
    NoSuchJobError,
    TimeoutFormatError,
)
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker.base import BaseWorker
from rq_dashboard import web

from webapp.addresses import without_password
from webapp.admin.queues.jobs import tenant_of
from webapp.admin.rq.guard import guard, take_down
from webapp.security import allow_below
from webapp.settings import Settings

PREFIX = "/rq"
# Underscore compiles its templates with `new Function`, and the markup has style attributes.
ALLOWED = {"script-src": ["'unsafe-eval'"], "style-src-attr": ["'unsafe-inline'"]}


class JsonJob(Job):
    """A job that is read as JSON: a pickle planted in Redis is never opened."""

    @classmethod
    def fetch(cls, *args: Any, **kwargs: Any) -> Job:
        """The job, read as JSON, which the callers forget to say."""
        return super().fetch(*args, **{**kwargs, "serializer": JSONSerializer})


class JsonWorker(Worker):
    """A worker whose current job is read as JSON; the dashboard's own list gives 500."""

    @classmethod
    def all(cls, *args: Any, **kwargs: Any) -> list[BaseWorker]:
        """All workers, reading their jobs as JSON."""
        return super().all(*args, **{**kwargs, "serializer": JSONSerializer})


class JsonQueue(Queue):
    """A queue whose jobs are read as JSON."""

    @classmethod
    def all(cls, *args: Any, **kwargs: Any) -> list[Queue]:
        """All queues, reading their jobs as JSON."""
        return super().all(*args, **{**kwargs, "serializer": JSONSerializer})

    def compact(self) -> None:
        """Forget jobs that are gone; RQ's own fails where nothing waits."""
        if not self.is_empty():
            super().compact()  # type: ignore[no-untyped-call]


def _give_token(response: Response) -> Response:
    """The dashboard's scripts read the CSRF token from a cookie."""
    if response.mimetype == "text/html":
        response.set_cookie(
            "_csrf_token",
            generate_csrf(),
            path=PREFIX,
            secure=request.is_secure,
            samesite="Lax",
        )
    return response


def _unknown_job(_error: Exception) -> tuple[str, int]:
    return "There is no such job in the queue's registry.", 404


def _unreadable(_error: Exception) -> tuple[str, int]:
    return "This job cannot be read: it is not JSON.", 422


def _no_redis(_error: Exception) -> tuple[str, int]:
    return "Redis does not answer.", 503


@functools.cache
def _mend() -> None:
    """Mend the dashboard's module and blueprint, once a process: both are shared by all apps."""
    web.config.serializer = JSONSerializer
    web.Job, web.Worker, web.Queue = JsonJob, JsonWorker, JsonQueue
    web.requeue_job = functools.partial(requeue_job, serializer=JSONSerializer)
    blueprint = web.blueprint
    blueprint.enable_openapi = False
    # In place of its own connection for each request, which comes before any guard.
    blueprint.before_request_funcs[None] = [guard]
    blueprint.after_request(_give_token)
    blueprint.after_request(take_down)
    for error in (NoSuchJobError, InvalidJobOperation):
        blueprint.register_error_handler(error, _unknown_job)
    # RQ takes it for granted that its own hashes are as it wrote them.
    for unreadable in (ValueError, AssertionError, DeserializationError, TimeoutFormatError):
        blueprint.register_error_handler(unreadable, _unreadable)
    blueprint.register_error_handler(RedisError, _no_redis)


def init_app(app: APIFlask, settings: Settings) -> None:
    """Mount the dashboard on the application's own Redis."""
    _mend()
    app.config["RQ_DASHBOARD_REDIS_URL"] = [without_password(settings.redis_address)]
    app.jinja_env.filters["tenant_of_job"] = tenant_of
    _escape_in_scripts(app)
    allow_below(app, f"{PREFIX}/", ALLOWED)
    app.register_blueprint(web.blueprint, url_prefix=PREFIX)


def _escape_in_scripts(app: APIFlask) -> None:
    """Flask escapes in `.html` alone, and the dashboard's templates of scripts end in `.js`."""
    escapes = app.select_jinja_autoescape

    def decide(name: str | None) -> bool:
        return escapes(name) or (name or "").startswith("rq_dashboard/")

    app.jinja_env.autoescape = decide
