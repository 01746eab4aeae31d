"""The health of the product's parts, each with the age of its observation."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from redis.exceptions import RedisError

from webapp.admin.base import Shell
from webapp.admin.reconciler import LATE, is_gone
from webapp.admin.wording.labels import CAUSES, REFUSALS
from webapp.admin.wording.units import took
from webapp.db.types import utc_now
from webapp.http.languages import ngettext
from webapp.models.causes import NO_ANSWER
from webapp.queue.job_queue import JobQueue
from webapp.settings import Settings
from webapp.statistics.liveness import Moments

T = TypeVar("T")

SLOW_MS = 1000

LABELS = {
    "database": (_l("Database"), "store"),
    "redis": (_l("Redis"), "queue"),
    "workers": (_l("Workers"), "worker"),
    "due": (_l("Due loop"), "clock"),
    "sweep": (_l("Sweep"), "retry"),
    "milvus": (_l("Milvus"), "partitions"),
}
ICONS = {"success": "check", "warning": "warning", "danger": "octagon"}


@dataclass(frozen=True)
class Sign:
    """The state of one part: a word, details, and when it was observed."""

    key: str
    role: str
    word: str
    detail: str = ""
    at: datetime | None = None

    @property
    def label(self) -> str:
        return str(LABELS[self.key][0])

    @property
    def icon(self) -> str:
        return LABELS[self.key][1]

    @property
    def role_icon(self) -> str:
        """The icon of the state, so that colour is not the only sign."""
        return ICONS[self.role]


def timed(ask: Callable[[], T]) -> tuple[T, float]:
    """The result, and how many milliseconds the database or Redis took for it."""
    began = time.monotonic()
    answer = ask()
    return answer, max(1.0, (time.monotonic() - began) * 1000)


def health(
    frame: Shell, now: Moments, database_ms: float, job_queue: JobQueue, settings: Settings
) -> list[Sign]:
    """The parts, in the order in which a sign-up needs them. Old observations are never green."""
    return [
        _answering("database", database_ms),
        _redis(frame, job_queue),
        _workers(frame),
        due_loop(now.due),
        _sweep(now.swept, settings),
        _milvus(frame, settings),
    ]


def due_loop(beat: datetime | None) -> Sign:
    """The loop that dispatches due requests; without it, a lost dispatch is not repeated."""
    if beat is None:
        return Sign("due", "warning", _("never seen"), _("Does the reconciler run?"))
    if is_gone(beat):
        return Sign("due", "danger", _("silent"), _("Does the reconciler run?"), beat)
    if utc_now() - beat > LATE:
        return Sign("due", "warning", _("late"), at=beat)
    return Sign("due", "success", _("works"), at=beat)


def _redis(frame: Shell, job_queue: JobQueue) -> Sign:
    if refusal := frame.board.refusal:
        return Sign("redis", "danger", _("takes no writes"), str(REFUSALS[refusal]), utc_now())
    return _answering("redis", _ping_ms(job_queue) if frame.board.answers else None)


def _ping_ms(job_queue: JobQueue) -> float | None:
    try:
        return timed(job_queue.connection.ping)[1]
    except (RedisError, OSError):
        return None


def _answering(key: str, took_ms: float | None) -> Sign:
    if took_ms is None:
        return Sign(key, "danger", _("no answer"), _("Sign-ups are kept, and go on later."))
    if took_ms > SLOW_MS:
        return Sign(key, "warning", _("slow"), took(took_ms), utc_now())
    return Sign(key, "success", _("answers"), took(took_ms), utc_now())


def _workers(frame: Shell) -> Sign:
    board = frame.board
    if not board.answers:
        return Sign("workers", "warning", _("unknown"), _("Redis does not answer."))
    if not board.workers:
        return Sign("workers", "danger", _("none"), _("Nothing is made until one starts."))
    heard_of = max((w.heartbeat for w in board.workers if w.heartbeat), default=None)
    alive = [worker for worker in board.workers if not worker.is_silent]
    if not alive:
        return Sign("workers", "danger", _("silent"), at=heard_of)
    alive_word = ngettext("%(num)s alive", "%(num)s alive", len(alive))
    busy = ngettext("%(num)s busy", "%(num)s busy", board.busy)
    role = "success" if len(alive) == len(board.workers) else "warning"
    return Sign("workers", role, alive_word, busy, heard_of)


def _sweep(finished_at: datetime | None, settings: Settings) -> Sign:
    if finished_at is None:
        return Sign("sweep", "warning", _("never seen"), _("Does the reconciler run?"))
    if utc_now() - finished_at > settings.observation_lasts:
        return Sign("sweep", "warning", _("late"), _("Does the reconciler run?"), finished_at)
    return Sign("sweep", "success", _("works"), at=finished_at)


def _milvus(frame: Shell, settings: Settings) -> Sign:
    seen, circuit = frame.summary.collections[0], frame.summary.circuit
    if circuit.is_open:
        return Sign("milvus", "danger", _("no answer"), _("marked down"), circuit.since)
    if seen.observed_at is None:
        return Sign("milvus", "warning", _("unknown"), _("Not observed yet."))
    if utc_now() - seen.observed_at > settings.observation_lasts:
        return Sign("milvus", "warning", _("unknown"), _("not looked at since"), seen.observed_at)
    if seen.cause:
        word = _("no answer") if seen.cause in NO_ANSWER else _("trouble")
        return Sign("milvus", "danger", word, str(CAUSES[seen.cause]), seen.observed_at)
    return Sign("milvus", "success", _("answers"), took(seen.latency_ms or 0), seen.observed_at)
