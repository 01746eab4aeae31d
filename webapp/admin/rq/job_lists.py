"""The jobs on a page of rq-dashboard; unreadable ones are shown by their id."""

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any

from redis import Redis
from rq import Queue
from rq.job import Job

from webapp.admin.rq.changes import entries_key, id_in
from webapp.queue.inspection import moment_of
from webapp.queue.own_jobs import RESULTS, failure_in

FIELDS = ("description", "created_at", "started_at", "ended_at")
UNREADABLE = "This job cannot be read."
# In characters of an id or a description.
MOST_SHOWN = 500


def jobs_of_page(
    queue_name: str, registry_name: str, offset: int, per_page: int, order: str, connection: Redis
) -> tuple[int, list[dict[str, Any]]]:
    """The total, and the page's jobs for the dashboard's table; two round trips at most."""
    key = entries_key(Queue(queue_name, connection=connection), registry_name)
    total, entries = _entries(connection, key, registry_name, offset, per_page, order)
    ids = [id_in(entry) for entry in entries]
    pipeline = connection.pipeline(transaction=False)
    for job_id in ids:
        pipeline.hmget(Job.key_for("").encode() + job_id, FIELDS)
        pipeline.xrevrange(RESULTS.format("").encode() + job_id, count=1)
    answers = pipeline.execute(raise_on_error=False)
    rows = zip(ids, answers[::2], answers[1::2], strict=True)
    return total, [_as_row(job_id, fields, results) for job_id, fields, results in rows]


def _entries(
    connection: Redis, key: str, registry_name: str, offset: int, per_page: int, order: str
) -> tuple[int, Sequence[bytes]]:
    count, read = ("llen", "lrange") if registry_name == "queued" else ("zcard", "zrange")
    total = int(getattr(connection, count)(key))
    is_descending = order == "dsc"
    end = total - offset if is_descending else min(offset + per_page, total)
    start = max(0, end - per_page) if is_descending else offset
    if end <= start:
        return total, []
    entries = list(getattr(connection, read)(key, start, end - 1))
    return total, entries[::-1] if is_descending else entries


def _as_row(job_id: bytes, fields: Any, results: Any) -> dict[str, Any]:
    values: Iterable[bytes | None] = fields if isinstance(fields, list) else [None] * len(FIELDS)
    description, *moments = values
    created, started, ended = (_moment(value) for value in moments)
    return {
        "id": _text(job_id),
        "description": _text(description) if description else UNREADABLE,
        "created_at": created,
        "started_at": started,
        "ended_at": ended,
        "exc_info": failure_in(results),
    }


def _text(value: bytes) -> str:
    text = value[: 4 * MOST_SHOWN].decode(errors="backslashreplace")
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _moment(value: bytes | None) -> str | None:
    moment = moment_of((value or b"").decode(errors="replace"))
    return moment.astimezone(UTC).isoformat() if moment else None
