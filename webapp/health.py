"""Health checks, open to everyone: is the process alive, can it serve."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

from flask import Blueprint, Flask, current_app, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp.db.deadline import answered_within
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.models.causes import NO_ANSWER, Cause
from webapp.models.control import Circuit
from webapp.models.observed import ObservedCollection
from webapp.partitions.circuit_state import MILVUS, CircuitState
from webapp.partitions.pause_state import last_pause
from webapp.queue.redis_writes import WriteProbe, refusal_in
from webapp.settings import Settings
from webapp.times import rfc3339

ANSWER_WITHIN_S = 1.5
# While one of these lasts, Milvus cannot be used.
DOWN = NO_ANSWER | {Cause.AUTH}

blueprint = Blueprint("health", __name__)


def init_app(app: Flask) -> None:
    address = app.extensions["settings"].redis_address
    app.extensions["write_probe"] = WriteProbe(address, ANSWER_WITHIN_S)
    app.register_blueprint(blueprint)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """200 while this process answers; asks neither database nor Redis."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """200 when the database answers in time and Redis takes writes; Milvus may be down."""
    settings: Settings = current_app.extensions["settings"]
    database: Database = current_app.extensions["database"]
    future = _checkers().submit(_conditions, database, settings)
    redis = _redis()
    state = _result(future)
    ready = redis == "ok" and state is not None
    body = {
        "status": "ok" if ready else "unavailable",
        "database": "ok" if state is not None else "down",
        "redis": redis,
        **(state or NOTHING_KNOWN),
    }
    return jsonify(body), 200 if ready else 503


def _redis() -> str:
    """`degraded` when Redis answers but refuses writes; the reason is not public."""
    probe: WriteProbe = current_app.extensions["write_probe"]
    answers = _result(_checkers().submit(probe.answers))
    if answers is None:
        return "down"
    return "degraded" if refusal_in(answers) else "ok"


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


def _conditions(database: Database, settings: Settings) -> dict[str, dict[str, str | None]]:
    """The last observation of Milvus, and a pause, which leaves the process ready."""
    # The thread serves later checks too, so it gives up when this check does.
    with answered_within(ANSWER_WITHIN_S), database.reading() as session:
        session.execute(text("SELECT 1"))
        row = session.get(ObservedCollection, settings.milvus_collection)
        circuit = CircuitState.of(session.get(Circuit, MILVUS))
        pause = last_pause(session)
    paused = pause if pause and pause.lasts else None
    milvus = _last_observation(row, settings) | {
        "circuit": "open" if circuit.is_open else "closed",
        "circuit_since": rfc3339(circuit.since),
    }
    provisioning = {
        "status": "paused" if paused else "running",
        "since": rfc3339(paused.since) if paused else None,
    }
    return {"milvus": milvus, "provisioning": provisioning}


def _last_observation(row: ObservedCollection | None, settings: Settings) -> dict[str, str | None]:
    if row is None:
        return _observation("unknown")
    is_late = utc_now() - row.observed_at > settings.observation_lasts
    status = "unknown" if is_late else "down" if row.cause in DOWN else "ok"
    return _observation(status, row.cause, rfc3339(row.observed_at))


def _observation(
    status: str, cause: str | None = None, observed_at: str | None = None
) -> dict[str, str | None]:
    return {"status": status, "cause": cause, "observed_at": observed_at}


NOTHING_KNOWN: dict[str, dict[str, str | None]] = {
    "milvus": _observation("unknown") | {"circuit": "unknown", "circuit_since": None},
    "provisioning": {"status": "unknown", "since": None},
}
