"""Request ids, and one log line for each request."""

import re
import time
import uuid

import structlog
from flask import Flask, Response, g, request

from webapp.logs import get_logger

HEADER = "X-Request-ID"
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET_ENDPOINTS = frozenset(
    {
        *("static", "admin.static", "rq_dashboard.static", "health.healthz", "health.readyz"),
        # Polled by open pages of rq-dashboard, every 2.5 s.
        *("rq_dashboard.list_queues", "rq_dashboard.list_jobs", "rq_dashboard.list_workers"),
    }
)

log = get_logger(__name__)


def init_app(app: Flask) -> None:
    """Give every request an id, in its log lines and its answer. Before all others."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def request_id() -> str:
    """The id of this request: the client's where it is harmless, else a new one."""
    if "request_id" not in g:
        header = request.headers.get(HEADER, "")
        g.request_id = header if ACCEPTED.fullmatch(header) else uuid.uuid4().hex
    value: str = g.request_id
    return value


def _begin() -> None:
    g.request_began = time.monotonic()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(
        request_id=request_id(), method=request.method, path=request.path
    )


def _end(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    began: float = g.get("request_began", time.monotonic())
    duration_ms = round((time.monotonic() - began) * 1000)
    principal = g.get("principal")
    write = log.debug if _is_routine(response) else log.info
    write(
        "http.request",
        status=response.status_code,
        duration_ms=duration_ms,
        actor=principal.actor if principal else None,
    )
    return response


def _is_routine(response: Response) -> bool:
    polled = request.method == "GET" and request.headers.get("HX-Request") == "true"
    return response.status_code < 400 and (polled or request.endpoint in QUIET_ENDPOINTS)


def _forget(_error: BaseException | None) -> None:
    structlog.contextvars.clear_contextvars()
