"""Health checks, open to everyone: is the process alive, can it serve."""

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from flask import Blueprint, Flask, current_app, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp.db.deadline import answered_within
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.control import Circuit
from webapp.models.observed import ObservedCollection
from webapp.partitions.circuit import MILVUS, CircuitState
from webapp.partitions.pause_state import last_pause
from webapp.queue.redis_writes import WriteProbe, refusal_in
from webapp.settings import Settings

ANSWER_WITHIN_S = 1.5
# A sweep that is this many turns late says nothing about now.
STALE_AFTER_TURNS = 4
NO_ANSWER = frozenset({Cause.MILVUS_UNREACHABLE, Cause.TIMEOUT, Cause.AUTH})

blueprint = Blueprint("health", __name__)
# APIFlask asks every blueprint; these pages are none of the API's.
blueprint.enable_openapi = False  # type: ignore[attr-defined]


def init_app(app: Flask) -> None:
    """Add `/healthz` and `/readyz`."""
    address = app.extensions["settings"].redis_address
    app.extensions["write_probe"] = WriteProbe(address, ANSWER_WITHIN_S)
    app.register_blueprint(blueprint)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Whether this process answers at all; nothing else is asked."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Whether the database answers in time, and Redis takes writes.

    Milvus may be down: sign-ups work without.
    """
    settings: Settings = current_app.extensions["settings"]
    database: Database = current_app.extensions["database"]
    asked = _checkers().submit(_conditions, database, settings)
    redis = _redis()
    known = _result(asked)
    ready = redis == "ok" and known is not None
    body = {
        "status": "ok" if ready else "unavailable",
        "database": "ok" if known is not None else "down",
        "redis": redis,
        **(known or NOTHING_KNOWN),
    }
    return jsonify(body), 200 if ready else 503


def _redis() -> str:
    """`degraded` where Redis answers and refuses writes; why is not for everybody."""
    probe: WriteProbe = current_app.extensions["write_probe"]
    answers = _result(_checkers().submit(probe.answers))
    if answers is None:
        return "down"
    return "degraded" if refusal_in(answers) else "ok"


def _result(asked: Future[Any]) -> Any:
    try:
        return asked.result(ANSWER_WITHIN_S)
    except (TimeoutError, SQLAlchemyError):
        asked.cancel()
        return None


@cache
def _checkers() -> ThreadPoolExecutor:
    # A driver's own time-outs are too long for a health check, so a thread waits them out.
    # There are few of them: while all of those wait, the answer is "down" without a new one.
    return ThreadPoolExecutor(max_workers=4, thread_name_prefix="readyz")


def _conditions(database: Database, settings: Settings) -> dict[str, dict[str, str | None]]:
    """What the database tells: the last look at Milvus, and whether provisioning is paused.

    A pause is somebody's will, so it leaves the process ready.
    """
    # This thread serves the next check too, so it must not wait on for this one.
    with answered_within(ANSWER_WITHIN_S), database.reading() as session:
        session.execute(text("SELECT 1"))
        row = session.get(ObservedCollection, settings.milvus_collection)
        circuit = CircuitState.of(session.get(Circuit, MILVUS))
        pause = last_pause(session)
    paused = pause if pause and pause.lasts else None
    milvus = _last_look(row, settings) | {
        "circuit": "open" if circuit.is_open else "closed",
        "circuit_since": _moment(circuit.since),
    }
    provisioning = {
        "status": "paused" if paused else "running",
        "since": _moment(paused.since) if paused else None,
    }
    return {"milvus": milvus, "provisioning": provisioning}


def _last_look(row: ObservedCollection | None, settings: Settings) -> dict[str, str | None]:
    if row is None:
        return _seen("unknown")
    late = utc_now() - row.observed_at > _stale_after(settings)
    status = "unknown" if late else "down" if row.cause in NO_ANSWER else "ok"
    return _seen(status, row.cause, _moment(row.observed_at))


def _stale_after(settings: Settings) -> timedelta:
    return timedelta(
        seconds=STALE_AFTER_TURNS * settings.reconcile_interval + settings.milvus_timeout
    )


def _moment(value: datetime | None) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value else None


def _seen(
    status: str, cause: str | None = None, observed_at: str | None = None
) -> dict[str, str | None]:
    return {"status": status, "cause": cause, "observed_at": observed_at}


NOTHING_KNOWN: dict[str, dict[str, str | None]] = {
    "milvus": _seen("unknown") | {"circuit": "unknown", "circuit_since": None},
    "provisioning": {"status": "unknown", "since": None},
}
