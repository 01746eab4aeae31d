"""Logs each condition when it begins and when it has passed, once for all processes."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from webapp.conditions.condition import RANK, Condition, Label, plain
from webapp.conditions.judgement import Identity, Own, hold_tenants, present_conditions
from webapp.conditions.kinds import DATABASE_DOWN, DATABASE_REFUSES_WRITES, SCHEMA_BEHIND
from webapp.conditions.words import sentence
from webapp.db.deadline import answered_within
from webapp.db.refusals import refusal_of
from webapp.db.schema_revision import Schema, SchemaRevision, SchemaState
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.leader import LeaderLease
from webapp.logs import get_logger
from webapp.models.condition import RaisedCondition, Severity
from webapp.processes.beats import RELEASED, note
from webapp.settings import Settings
from webapp.texts import N_

LEASE = "conditions"
LASTS = timedelta(seconds=15)
# One of the processes judges, about as often as each of them beats.
REST = timedelta(seconds=4)
# Until all parts that start together have shown themselves.
BEGINS_AFTER_S = 15.0
ANSWER_WITHIN_S = 1.5
# Of the schema; all else is a condition.
FITTING = frozenset({SchemaState.IN_STEP, SchemaState.AHEAD})

log = get_logger("paratia.condition")

UNREACHABLE = plain("The database does not answer.")
NO_TABLES = plain("The database has no tables yet.")
TABLES_GONE = plain("The database has no tables any more, and had tenants before.")
BRING_BACK = plain(
    "Find out whether DATABASE_URL leads to the right one, or restore a backup. Do not run flask "
    "db upgrade: it would begin anew, without any tenant."
)
NO_REVISION = plain("The database has tables, and its table alembic_version names no revision.")
REVISION_LOST = N_(
    "The table alembic_version names no revision any more; the tables were at %(before)s."
)
# An upgrade would begin with the first migration, and fail at the first table.
NAME_THE_REVISION = N_(
    "Do not run flask db upgrade. Restore that table, or run .venv/bin/flask db stamp REVISION "
    "with the revision of the release that made the tables (%(wanted)s, if it was this one)."
)
NAME_IT_AGAIN = N_(
    "Do not run flask db upgrade. Restore that table, or run .venv/bin/flask db stamp %(before)s. "
    "What runs goes on; what is started before that waits."
)


class ConditionLog:
    """The judgement of one process: of the shared list, and of its own database connection.

    The list is judged by one process at a time. That the database cannot be used is known to each
    process alone, so each logs it.
    """

    def __init__(self, database: Database, settings: Settings, schema: Schema) -> None:
        self._database = database
        self._settings = settings
        self._schema = schema
        self._lease = LeaderLease(database, LEASE)
        self._begins_at = time.monotonic() + BEGINS_AFTER_S
        # What keeps this process from storing its sign of life, or from serving.
        self.outage: Condition | None = None
        # A schema on which it serves without knowing its revision.
        self._doubt: Condition | None = None
        # Signs of life in a row that were not stored.
        self._refusals = 0

    def own(self) -> Own:
        """What this process alone knows, for a judgement: by then the database has answered."""
        is_refused = self.outage is not None and self.outage.kind is DATABASE_REFUSES_WRITES
        told = [self.outage if is_refused else None, self._doubt]
        return Own([each for each in told if each], is_blind=bool(self.outage or self._refusals))

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
                present = present_conditions(session, self._settings, self.own())
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
        outage = self._schema_behind() or self._failed(error)
        if outage.kind is not DATABASE_REFUSES_WRITES or self._refusals > 1:
            self._begin(outage, error=type(error).__name__)

    def _begin(self, outage: Condition, **more: str) -> None:
        if not self.outage:
            self.outage = outage
            _log_raised(outage, **more)

    def _failed(self, error: Exception) -> Condition:
        if self._can_read():
            return of_refusal(error)
        return Condition(DATABASE_DOWN, Severity.DANGER, UNREACHABLE, utc_now())

    def _schema_behind(self) -> Condition | None:
        """The condition; None where the schema serves, and where the database does not say.

        It is asked for with each sign of life: a table can be emptied while the product runs.
        """
        try:
            with answered_within(ANSWER_WITHIN_S):
                revision = self._schema.refresh()
        except SQLAlchemyError:
            return None
        told = of_schema(revision) if revision.state not in FITTING else None
        self._doubt = told if revision.serves else None
        return None if revision.serves else told

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
            after = {identity: each.severity for identity, each in now.items()}
            ended = [each for each in rows if not _is_as_grave(after.get(each), before[each][0])]
            if hold_tenants(ended):
                note(session, RELEASED)
        _log_changes(before, present)


def of_refusal(error: Exception) -> Condition:
    """The condition of a database that answers, and failed a write with this error."""
    why = refusal_of(error)
    text = plain("The database answers, and takes no writes (%(why)s).", why=Label(why.label))
    remedy = plain(why.remedy)
    return Condition(DATABASE_REFUSES_WRITES, Severity.DANGER, text, utc_now(), remedy=remedy)


def of_schema(revision: SchemaRevision) -> Condition:
    """The condition of a schema that does not serve."""
    what = plain(
        "The schema is at revision %(found)s, and this release needs %(wanted)s.",
        found=revision.found,
        wanted=revision.wanted,
    )
    if revision.state is SchemaState.EMPTY and revision.before:
        return Condition(SCHEMA_BEHIND, Severity.DANGER, TABLES_GONE, utc_now(), remedy=BRING_BACK)
    if revision.state is SchemaState.EMPTY:
        what = NO_TABLES
    if revision.state is SchemaState.UNKNOWN:
        return _of_no_revision(revision)
    return Condition(SCHEMA_BEHIND, Severity.DANGER, what, utc_now())


def _of_no_revision(revision: SchemaRevision) -> Condition:
    if before := revision.before:
        # All processes share this one, so its moment is that of its first judgement.
        text, remedy = plain(REVISION_LOST, before=before), plain(NAME_IT_AGAIN, before=before)
        return Condition(SCHEMA_BEHIND, Severity.DANGER, text, remedy=remedy)
    remedy = plain(NAME_THE_REVISION, wanted=revision.wanted)
    return Condition(SCHEMA_BEHIND, Severity.DANGER, NO_REVISION, utc_now(), remedy=remedy)


def _is_told(severity: Severity) -> bool:
    """Information is on the pages alone: every sign-up would be logged twice."""
    return severity != Severity.INFO


def _is_as_grave(severity: Severity | None, other: Severity) -> bool:
    return severity is not None and RANK[severity] <= RANK[other]


def _is_known(before: tuple[Severity, datetime] | None, condition: Condition) -> bool:
    """Whether it was raised before, as grave as now."""
    if before is None or _is_another(condition, before[1]):
        return False
    return _is_as_grave(before[0], condition.severity)


def _is_another(condition: Condition, raised_at: datetime) -> bool:
    since = condition.since
    return condition.kind.begins_anew and since is not None and since > raised_at


def _log_changes(
    before: Mapping[Identity, tuple[Severity, datetime]], present: Sequence[Condition]
) -> None:
    told = {each.identity for each in present if _is_told(each.severity)}
    for each in present:
        if each.identity in told and not _is_known(before.get(each.identity), each):
            _log_raised(each)
    for identity, (severity, _raised_at) in before.items():
        if _is_told(severity) and identity not in told:
            _log_cleared(*identity)


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
        what_to_do=sentence(condition.what_to_do),
        **more,
    )


def _log_cleared(key: str, subject: str) -> None:
    log.warning("paratia.condition.cleared", key=key, subject=subject or None)
