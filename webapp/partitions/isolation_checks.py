"""When the isolation of partitions is checked, and the last report."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from webapp.audit import log as audit
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.models.audit import Actor
from webapp.models.observed import ObservedCollection
from webapp.models.states import CanaryOutcome
from webapp.partitions.policy import CANARY_AGAIN, CANARY_EVERY


@dataclass(frozen=True)
class CanaryReport:
    """The outcome of a check, and what was found where."""

    outcome: CanaryOutcome
    message: str


def is_check_due(database: Database, collection: str) -> bool:
    """Whether a check is due; never before the collection was first observed."""
    row = database.read(Session.get, ObservedCollection, collection)
    return row is not None and (row.canary_due_at is None or row.canary_due_at <= utc_now())


def request_check(database: Database, collection: str, *, actor: Actor) -> bool:
    """Make the next check due now; False where the collection was never observed."""
    with database.transaction() as session:
        if not _change(session, collection, {"canary_due_at": utc_now()}):
            return False
        action, target = "partitions.check_isolation", f"collection {collection}"
        audit.record(session, actor=actor, action=action, target=target)
    return True


def record_check(database: Database, collection: str, report: CanaryReport) -> bool:
    """Store the report, and when the next check is due; False as in `request_check`."""
    now = utc_now()
    not_run_since = func.coalesce(ObservedCollection.canary_not_run_since, now)
    values = {
        "canary_at": now,
        "canary_outcome": report.outcome,
        "canary_message": report.message,
        "canary_due_at": now + _pause_after(report.outcome),
        "canary_not_run_since": not_run_since if report.outcome == CanaryOutcome.NOT_RUN else None,
    }
    with database.transaction() as session:
        return _change(session, collection, values)


def asked_at(row: ObservedCollection) -> datetime | None:
    """When a check was requested that was not made yet; None where none was."""
    if row.canary_at is None or row.canary_outcome is None:
        return row.canary_due_at
    appointed = row.canary_at + _pause_after(row.canary_outcome)
    return None if row.canary_due_at == appointed else row.canary_due_at


def _change(session: Session, collection: str, values: dict[str, Any]) -> bool:
    statement = (
        update(ObservedCollection)
        .where(ObservedCollection.collection == collection)
        .values(values)
        .returning(ObservedCollection.collection)
    )
    return session.scalar(statement) is not None


def _pause_after(outcome: CanaryOutcome) -> timedelta:
    return CANARY_AGAIN if outcome == CanaryOutcome.NOT_RUN else CANARY_EVERY
