"""The guard before every request of rq-dashboard, and the audit of its changes.

The dashboard does not validate addresses, and changes state by GET.
"""

import re
from typing import Any

from flask import Response, abort, current_app, request
from werkzeug.exceptions import MethodNotAllowed

from webapp import current
from webapp.admin.base import reading
from webapp.audit import log as audit
from webapp.auth.guard import require
from webapp.auth.roles import Role
from webapp.queue.own_jobs import tenant_of
from webapp.tenants.queries import get_tenant
from webapp.texts import whole_number

REGISTRIES = {"queued", "failed", "deferred", "started", "finished", "scheduled", "canceled"}

ORDERS = {"asc", "dsc"}
# Characters that cannot end a string in a script, which the name is written into.
QUEUE_NAME = re.compile(r"[\w .:@+-]{1,200}")
# The maximum of the dashboard's form; a long queue as a whole would block the process.
MOST_ON_A_PAGE = 200
MOST_PAGES = 1_000_000

ACTIONS = {
    "rq_dashboard.requeue_job_view": "job.requeue",
    "rq_dashboard.requeue_all": "job.requeue",
    "rq_dashboard.delete_job_view": "job.delete",
    "rq_dashboard.empty_queue": "job.delete",
}


def guard() -> None:
    """Admins only, valid addresses only, changes by POST only."""
    require(Role.ADMIN)
    if not _is_usable(request.view_args or {}):
        abort(404)
    if request.endpoint == "rq_dashboard.requeue_all" and request.method != "POST":
        raise MethodNotAllowed(["POST"])
    current_app.redis_conn = current_app.extensions["job_queue"].connection  # type: ignore[attr-defined]


def _is_usable(arguments: dict[str, Any]) -> bool:
    """Whether the arguments in the address are valid; the dashboard does not check."""
    return (
        arguments.get("instance_number", 0) == 0
        and arguments.get("registry_name", "queued") in REGISTRIES
        and arguments.get("order", "asc") in ORDERS
        and QUEUE_NAME.fullmatch(arguments.get("queue_name") or "default") is not None
        and _is_within(arguments.get("per_page", 1), MOST_ON_A_PAGE)
        and _is_within(arguments.get("page", 1), MOST_PAGES)
    )


def _is_within(number: str | int, most: int) -> bool:
    return 1 <= (whole_number(str(number)) or 0) <= most


def record_audit(response: Response) -> Response:
    """Record a change once Redis has made it: before that, it may still be refused."""
    action = ACTIONS.get(request.endpoint or "")
    done = response.get_json(silent=True) if action and response.status_code == 200 else None
    if action and done and done.get("status") == "OK":
        arguments = request.view_args or {}
        with current.database().transaction() as session:
            audit.record(
                session,
                actor=current.actor(),
                action=action,
                tenant_id=_tenant(arguments.get("job_id", "")),
                target=_target(arguments),
                after={"jobs": done["count"]} if "count" in done else {},
            )
    return response


def _target(arguments: dict[str, Any]) -> str:
    if job_id := arguments.get("job_id"):
        return f"job {job_id}"
    registry = arguments.get("registry_name", "failed")
    return f"queue {arguments['queue_name']}, {registry}"


def _tenant(job_id: str) -> int | None:
    """The job's tenant, if it exists: any client of Redis may have written the id."""
    number = tenant_of(job_id)
    return number if number and get_tenant(reading(), number) else None
