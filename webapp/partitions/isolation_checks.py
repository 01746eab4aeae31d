"""When the isolation of partitions is checked, and what the last check showed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
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
    """What a check showed, and of what, in words."""

    outcome: CanaryOutcome
    message: str


class Canaries:
    """Keeps the appointments of checks, and their reports, per collection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_due(self, collection: str) -> bool:
        """Whether a check is to be made now; not before the collection was first looked at."""
        with self._database.reading() as session:
            row = session.get(ObservedCollection, collection)
        return row is not None and (row.canary_due_at is None or row.canary_due_at <= utc_now())

    def ask(self, collection: str, *, actor: Actor) -> bool:
        """Have the next check made as soon as the reconciler looks; False when it never looked."""
        with self._database.transaction() as session:
            if not _changed(session, collection, {"canary_due_at": utc_now()}):
                return False
            audit.record(
                session,
                actor=actor,
                action="partitions.check_isolation",
                target=f"collection {collection}",
            )
        return True

    def record(self, collection: str, report: CanaryReport) -> bool:
        """Store the report, and make the next appointment; False where nobody ever looked."""
        now = utc_now()
        values = {
            "canary_at": now,
            "canary_outcome": report.outcome,
            "canary_message": report.message,
            "canary_due_at": now + _pause_after(report.outcome),
        }
        with self._database.transaction() as session:
            return _changed(session, collection, values)


def asked_at(row: ObservedCollection) -> datetime | None:
    """When somebody asked for a check that was not made yet; None when nobody did."""
    if row.canary_at is None or row.canary_outcome is None:
        return row.canary_due_at
    appointed = row.canary_at + _pause_after(row.canary_outcome)
    return None if row.canary_due_at == appointed else row.canary_due_at


def _changed(session: Session, collection: str, values: dict[str, Any]) -> bool:
    statement = (
        update(ObservedCollection)
        .where(ObservedCollection.collection == collection)
        .values(values)
        .returning(ObservedCollection.collection)
    )
    return session.execute(statement).first() is not None


def _pause_after(outcome: CanaryOutcome) -> timedelta:
    return CANARY_AGAIN if outcome == CanaryOutcome.NOT_RUN else CANARY_EVERY
