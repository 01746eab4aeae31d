"""Health checks, open to everyone: is the process alive, can it serve."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

from flask import Blueprint, Flask, current_app, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from webapp.conditions.condition import PARTS_OF_PROCESSES, Condition, Part
from webapp.conditions.judgement import present_conditions
from webapp.conditions.kinds import (
    MILVUS_CREDENTIALS,
    MILVUS_DOWN,
    REDIS_DOWN,
    SCHEMA_BEHIND,
)
from webapp.conditions.watch import own_view
from webapp.db.deadline import answered_within
from webapp.db.schema_revision import Schema
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.halts.circuit_state import MILVUS, CircuitState
from webapp.halts.pause_state import last_pause
from webapp.http.shared_reads import SharedReads
from webapp.models.condition import Severity
from webapp.models.control import Circuit
from webapp.models.observed import ObservedCollection
from webapp.settings import Settings
from webapp.times import rfc3339

ANSWER_WITHIN_S = 1.5
# Processes show themselves, and what Redis answers them.
BY_SIGNS_OF_LIFE = (Part.REDIS, *PARTS_OF_PROCESSES.values())
# While one of these lasts, Milvus cannot be used.
DOWN = (MILVUS_DOWN, MILVUS_CREDENTIALS)

blueprint = Blueprint("health", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """200 while this process answers; asks neither database nor Redis."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """200 when this process can serve: the database answers in time, with tables to serve on.

    All else that is not as it should be is told as `degraded`, by its key, without details: it
    keeps no request from being served, so no balancer should take this process away for it.
    """
    state = _result(_checkers().submit(_state, current_app.extensions)) or {"database": "down"}
    body = NOTHING_KNOWN | state
    is_ready = body["database"] == "ok"
    body["status"] = "unavailable" if not is_ready else "degraded" if body["degraded"] else "ok"
    return jsonify(body), 200 if is_ready else 503


def check_once(app: Flask) -> None:
    """Make a first check, in the time of one: it loads what later ones find loaded."""
    _result(_checkers().submit(_state, app.extensions))


def _result(future: Future[Any]) -> Any:
    try:
        return future.result(ANSWER_WITHIN_S)
    except (TimeoutError, SQLAlchemyError):
        future.cancel()
        return None


@cache
def _checkers() -> ThreadPoolExecutor:
    # A driver's own time-outs are too long for a health check, so a thread waits for them. There
    # are four threads: while all of them wait, the answer is "down".
    return ThreadPoolExecutor(max_workers=4, thread_name_prefix="readyz")


def _state(extensions: dict[str, Any]) -> dict[str, Any]:
    """What is known besides the database; strangers may ask often, so once a second."""
    reads: SharedReads = extensions["shared_reads"]
    database: Database = extensions["database"]
    settings: Settings = extensions["settings"]
    schema: Schema = extensions["schema"]

    def read() -> dict[str, Any]:
        # The thread serves later checks too, so it gives up when this check does.
        with answered_within(ANSWER_WITHIN_S), database.reading() as session:
            if not (revision := schema.revision()).serves:
                return {"database": revision.state, "degraded": [SCHEMA_BEHIND.key]}
            own = own_view(extensions)
            found = present_conditions(session, settings, own)
            told = _told(session, settings, found)
            return told | _unknown(told["checks"]) if own.is_blind else told

    return reads.recall("readyz", read)


def _told(session: Session, settings: Settings, found: Sequence[Condition]) -> dict[str, Any]:
    grave = [each for each in found if each.severity != Severity.INFO]
    degraded = {each.part for each in grave}
    redis = "ok"
    if Part.REDIS in degraded:
        redis = "down" if any(each.kind is REDIS_DOWN for each in grave) else "degraded"
    circuit = CircuitState.of(session.get(Circuit, MILVUS))
    pause = last_pause(session)
    paused = pause if pause and pause.lasts else None
    row = session.get(ObservedCollection, settings.milvus_collection)
    status = _status_of_milvus(grave, row, settings)
    # A brake that follows from another condition is on all the same.
    troubled = degraded | {each.part for each in found if each.part == Part.BRAKE}
    checks = {part.value: "degraded" if part in troubled else "ok" for part in Part}
    if status == "unknown" and Part.MILVUS not in degraded:
        # Where nothing could be stored, that is no condition.
        checks[Part.MILVUS] = status
    return {
        "database": "ok",
        "redis": redis,
        "milvus": _observation(status, row)
        | {
            "circuit": "open" if circuit.is_open else "closed",
            "circuit_since": rfc3339(circuit.since),
        },
        "provisioning": {
            "status": "paused" if paused else "running",
            "since": rfc3339(paused.since) if paused else None,
        },
        "checks": checks,
        "degraded": list(dict.fromkeys(each.key for each in grave)),
    }


def _unknown(checks: dict[str, str]) -> dict[str, Any]:
    """What signs of life tell, while none can be stored."""
    unknown = {part.value: "unknown" for part in BY_SIGNS_OF_LIFE}
    return {"redis": "unknown", "checks": checks | unknown}


def _status_of_milvus(
    grave: Sequence[Condition], row: ObservedCollection | None, settings: Settings
) -> str:
    """In one word, of the collection in use; `ok` only where no condition is Milvus's."""
    if any(
        each.kind in DOWN and each.subject in {"", settings.milvus_collection} for each in grave
    ):
        return "down"
    if row is None or utc_now() - row.observed_at > settings.observation_lasts:
        return "unknown"
    return "degraded" if any(each.part == Part.MILVUS for each in grave) else "ok"


def _observation(status: str, row: ObservedCollection | None = None) -> dict[str, str | None]:
    cause, observed_at = (row.cause, rfc3339(row.observed_at)) if row else (None, None)
    return {"status": status, "cause": cause, "observed_at": observed_at}


NOTHING_KNOWN: dict[str, Any] = {
    "redis": "unknown",
    "milvus": _observation("unknown") | {"circuit": "unknown", "circuit_since": None},
    "provisioning": {"status": "unknown", "since": None},
    "checks": {part.value: "unknown" for part in Part} | {Part.DATABASE.value: "degraded"},
    "degraded": ["database_down"],
}
