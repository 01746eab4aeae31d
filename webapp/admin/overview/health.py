"""The health of the product's parts: their conditions, and figures with the age of each."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from redis.exceptions import RedisError

from webapp.admin.base import Shell
from webapp.admin.wording.conditions import condition_sentence
from webapp.admin.wording.units import took
from webapp.conditions.condition import PARTS_OF_PROCESSES, Part, worst
from webapp.db.types import utc_now
from webapp.http.languages import ngettext
from webapp.models.condition import Severity
from webapp.models.process import ProcessKind
from webapp.queue.job_queue import JobQueue

T = TypeVar("T")

LABELS = {
    Part.DATABASE: (_l("Database"), "store"),
    Part.REDIS: (_l("Redis"), "queue"),
    Part.WORKERS: (_l("Workers"), "worker"),
    Part.RECONCILER: (_l("Reconciler"), "retry"),
    Part.MILVUS: (_l("Milvus"), "partitions"),
}
# A collection's conditions are shown at Milvus.
OF_MILVUS = frozenset({Part.MILVUS, Part.COLLECTION})
WORDS = {Severity.DANGER: _l("failing"), Severity.WARNING: _l("impaired")}
ICONS = {"success": "check", "info": "info", "warning": "warning", "danger": "octagon"}


@dataclass(frozen=True)
class Sign:
    """The state of one part: a word, details, and when it was observed."""

    part: Part
    role: str
    word: str
    detail: str = ""
    at: datetime | None = None

    @property
    def label(self) -> str:
        return str(LABELS[self.part][0])

    @property
    def icon(self) -> str:
        return LABELS[self.part][1]

    @property
    def role_icon(self) -> str:
        """The icon of the state, so that colour is not the only sign."""
        return ICONS[self.role]


def timed(ask: Callable[[], T]) -> tuple[T, float]:
    """The result, and how many milliseconds the database or Redis took for it."""
    began = time.monotonic()
    answer = ask()
    return answer, max(1.0, (time.monotonic() - began) * 1000)


def health(frame: Shell, database_ms: float, job_queue: JobQueue) -> Iterator[Sign]:
    """The parts, in the order in which a sign-up needs them; green only without a condition."""
    redis_ms = _ping_ms(job_queue) if frame.board.answers else None
    seen, milvus = frame.seen, frame.summary.collections[0]
    workers = seen.processes.of(ProcessKind.WORKER)
    alive = ngettext("%(num)s alive", "%(num)s alive", len(workers))
    busy = ngettext("%(num)s busy", "%(num)s busy", frame.board.busy)
    heard_at = max((each.seen_at for each in workers), default=None)
    yield _sign(frame, Part.DATABASE, _("answers"), took(database_ms), utc_now())
    yield _sign(frame, Part.REDIS, _("answers"), took(redis_ms) if redis_ms else "", utc_now())
    yield _sign(frame, Part.WORKERS, alive, busy, heard_at)
    yield _sign(frame, Part.RECONCILER, _("works"), "", seen.moments.due)
    latency = took(milvus.latency_ms) if milvus.latency_ms is not None else ""
    yield _sign(frame, Part.MILVUS, _("answers"), latency, milvus.observed_at)


def _sign(frame: Shell, part: Part, word: str, detail: str, at: datetime | None) -> Sign:
    """The part with its gravest condition; without one, with what was measured."""
    parts = OF_MILVUS if part is Part.MILVUS else {part}
    found = [each for each in frame.conditions if each.part in parts]
    severity = worst(found)
    if severity is None and _is_unknown(frame, part, at):
        return Sign(part, "info", _("unknown"))
    if severity is None:
        return Sign(part, "success", word, detail, at)
    text = condition_sentence(found[0])
    return Sign(part, severity.value, str(WORDS.get(severity, word)), text, found[0].since)


def _is_unknown(frame: Shell, part: Part, at: datetime | None) -> bool:
    """Whether nothing is known of it, though no condition says so: nothing could be stored."""
    if part is Part.MILVUS:
        return at is None or frame.seen.at - at > frame.seen.settings.observation_lasts
    return frame.is_blind and part in PARTS_OF_PROCESSES.values()


def _ping_ms(job_queue: JobQueue) -> float | None:
    try:
        return timed(job_queue.connection.ping)[1]
    except (RedisError, OSError):
        return None
