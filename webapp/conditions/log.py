"""Logs each condition when it begins and when it has passed, once for all processes."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from webapp.conditions.condition import RANK, Condition, plain
from webapp.conditions.judgement import present_conditions
from webapp.conditions.kinds import DATABASE_DOWN, DATABASE_REFUSES_WRITES, SCHEMA_BEHIND
from webapp.conditions.words import sentence
from webapp.db.deadline import answered_within
from webapp.db.schema_revision import Schema, SchemaRevision, SchemaState
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.leader import LeaderLease
from webapp.logs import get_logger
from webapp.models.condition import RaisedCondition, Severity
from webapp.settings import Settings

LEASE = "conditions"
LASTS = timedelta(seconds=15)
# One of the processes judges, about as often as each of them beats.
REST = timedelta(seconds=4)
# Until all parts that start together have shown themselves.
BEGINS_AFTER_S = 15.0
ANSWER_WITHIN_S = 1.5

log = get_logger("paratia.condition")

UNREACHABLE = plain("The database does not answer.")
READ_ONLY = plain("The database answers, and takes no writes.")
NO_TABLES = plain("The database has no tables yet.")
NO_REVISION = plain(
    "The database has tables, and its table alembic_version names no revision. Restore that table, "
    "or name the revision of the release that made the tables (flask db stamp REVISION), "
    "before you run flask db upgrade."
)


class ConditionLog:
    """The judgement of one process: of the shared list, and of its own database connection.

    The list is judged by one process at a time. That the database cannot be used is known to each
    process alone, so each logs it.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._schema = Schema(database)
        self._lease = LeaderLease(database, LEASE)
        self._begins_at = time.monotonic() + BEGINS_AFTER_S
        # What keeps this process from storing its sign of life.
        self.outage: Condition | None = None
        # Signs of life in a row that were not stored.
        self._refusals = 0

    def judge(self) -> None:
        """Compare the present conditions with the stored ones, and log the difference."""
        self._refusals = 0
        if behind := self._schema_behind():
            self._begin(behind)
            return
        if self.outage:
            _log_cleared(self.outage.key, self.outage.subject)
            self.outage = None
            # The others could not show that they live either.
            self._begins_at = time.monotonic() + BEGINS_AFTER_S
        if time.monotonic() < self._begins_at or not self._lease.take(LASTS, REST):
            return
        try:
            with self._database.reading() as session:
                present = present_conditions(session, self._settings)
            self._store(present)
        finally:
            self._lease.release()

    def note_failure(self, error: Exception) -> None:
        """The sign of life could not be stored: say so once, until it is stored again.

        A database that refuses one write may be busy for some seconds: it is told by the second.
        """
        self._refusals += 1
        if self.outage:
            return
        outage = self._schema_behind() or self._failed()
        if outage.kind is not DATABASE_REFUSES_WRITES or self._refusals > 1:
            self._begin(outage, error=type(error).__name__)

    def _begin(self, outage: Condition, **more: str) -> None:
        if not self.outage:
            self.outage = outage
            _log_raised(outage, **more)

    def _failed(self) -> Condition:
        if self._can_read():
            return Condition(DATABASE_REFUSES_WRITES, Severity.DANGER, READ_ONLY, utc_now())
        return Condition(DATABASE_DOWN, Severity.DANGER, UNREACHABLE, utc_now())

    def _schema_behind(self) -> Condition | None:
        """The condition; None where the schema serves, and where the database does not say."""
        try:
            with answered_within(ANSWER_WITHIN_S):
                revision = self._schema.revision()
        except SQLAlchemyError:
            return None
        return None if revision.serves else of_schema(revision)

    def _can_read(self) -> bool:
        try:
            with answered_within(ANSWER_WITHIN_S), self._database.reading() as session:
                session.execute(text("SELECT 1"))
        except Exception:  # noqa: BLE001
            return False
        return True

    def _store(self, present: Sequence[Condition]) -> None:
        now = {each.identity: each for each in present}
        with self._database.transaction() as session:
            rows = {(row.key, row.subject): row for row in session.scalars(select(RaisedCondition))}
            before = {identity: (row.severity, row.raised_at) for identity, row in rows.items()}
            for identity, row in rows.items():
                if identity in now:
                    row.severity = now[identity].severity
                    if _is_another(now[identity], row.raised_at):
                        row.raised_at = now[identity].since or row.raised_at
                else:
                    session.delete(row)
            session.add_all(_row(each) for each in present if each.identity not in rows)
        for each in present:
            if _is_told(each.severity) and not _is_known(before.get(each.identity), each):
                _log_raised(each)
        for identity, (severity, _raised_at) in before.items():
            after = now.get(identity)
            if _is_told(severity) and not (after and _is_told(after.severity)):
                _log_cleared(*identity)


def of_schema(revision: SchemaRevision) -> Condition:
    """The condition of a schema that does not serve."""
    what = plain(
        "The schema is at revision %(found)s, and this release needs %(wanted)s.",
        found=revision.found,
        wanted=revision.wanted,
    )
    if revision.state is SchemaState.EMPTY:
        what = NO_TABLES
    elif revision.state is SchemaState.UNKNOWN:
        what = NO_REVISION
    return Condition(SCHEMA_BEHIND, Severity.DANGER, what, utc_now())


def _is_told(severity: Severity) -> bool:
    """Information is on the pages alone: every sign-up would be logged twice."""
    return severity != Severity.INFO


def _is_known(before: tuple[Severity, datetime] | None, condition: Condition) -> bool:
    """Whether it was raised before, as grave as now."""
    if before is None or _is_another(condition, before[1]):
        return False
    return RANK[before[0]] <= RANK[condition.severity]


def _is_another(condition: Condition, raised_at: datetime) -> bool:
    since = condition.since
    return condition.kind.begins_anew and since is not None and since > raised_at


def _row(condition: Condition) -> RaisedCondition:
    return RaisedCondition(
        key=condition.key,
        subject=condition.subject,
        severity=condition.severity,
        raised_at=condition.since or utc_now(),
    )


def _log_raised(condition: Condition, **more: str) -> None:
    write = log.error if condition.severity == Severity.DANGER else log.warning
    write(
        "paratia.condition.raised",
        key=condition.key,
        severity=condition.severity.value,
        subject=condition.subject or None,
        count=condition.count,
        since=condition.since.isoformat() if condition.since else None,
        sentence=sentence(condition.text),
        what_to_do=condition.what_to_do,
        **more,
    )


def _log_cleared(key: str, subject: str) -> None:
    log.warning("paratia.condition.cleared", key=key, subject=subject or None)
