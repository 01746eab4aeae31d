"""Rolls events up into buckets of time, so that charts cost little."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from jobs.reconciler.event_counts import count
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.models.control import Heartbeat
from webapp.models.partition import PartitionEvent
from webapp.models.statistics import Activity, Resolution
from webapp.partitions.policy import Policy
from webapp.processes.beats import COUNTED
from webapp.statistics.buckets import HOUR, MINUTE, WIDTHS, Counts, counts_of, start_of
from webapp.statistics.histogram import packed

# Minutes are kept until their hour is complete and cannot be counted again.
KEPT = {
    Resolution.MINUTE: timedelta(hours=2),
    Resolution.QUARTER: timedelta(days=2),
    Resolution.HOUR: timedelta(days=35),
}

# An event has its time before its transaction commits, which takes at most this long.
LATE = timedelta(minutes=5)
# Up to this age changed minutes are counted, before it whole hours.
RECENT = timedelta(minutes=50)
HOURS_AT_ONCE = 24
MARKED_EVERY = timedelta(seconds=5)


class Rollup:
    """Counts events since the last roll-up, and those that were committed late before it.

    A mark in the database is the end of the counted time. Counts are stored only if the mark is
    where it was before they were read, so no frozen process replaces newer counts. Counts replace
    counts, so a repeated roll-up is harmless.
    """

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy
        # The number of events in each minute when this process last counted it.
        self._seen: dict[datetime, int] = {}

    def roll_up(self) -> int:
        """Count new events; returns the number of buckets written.

        After a gap, up to 35 days are counted by whole hours, `HOURS_AT_ONCE` at each call.
        """
        now = utc_now()
        with self._database.reading() as session:
            mark = session.scalar(select(Heartbeat.at).where(Heartbeat.name == COUNTED))
            since = _since(session, mark, now)
        if since < now - RECENT:
            return self._catch_up(since, mark, now)
        return self._keep_up(since, mark, now)

    def _keep_up(self, since: datetime, mark: datetime | None, now: datetime) -> int:
        until = start_of(now, MINUTE) + MINUTE
        with self._database.reading() as session:
            minutes = [since + n * MINUTE for n in range((until - since) // MINUTE)]
            sizes = {at: _entries(session, at) for at in minutes}
            changed = [at for at in sizes if self._seen.get(at) != sizes[at]]
            if not changed and mark and now - mark < MARKED_EVERY:
                return 0
            since = min(changed, default=until)
            counts = count(session, since, until, self._policy.attempts) if changed else {}
        written = self._store(counts, since, until, mark, now)
        if written is not None:
            self._seen = sizes
        return written or 0

    def _catch_up(self, since: datetime, mark: datetime | None, now: datetime) -> int:
        written = 0
        for _ in range(HOURS_AT_ONCE):
            with self._database.reading() as session:
                hour = _next_hour(session, since, now)
                counts = count(session, hour, hour + HOUR, self._policy.attempts)
            since, done = hour + HOUR, min(hour + HOUR + LATE, now)
            stored = self._store(counts, hour, since, mark, done)
            if stored is None or done == now:
                break
            written, mark = written + stored, done
        return written

    def _store(
        self,
        counts: Mapping[datetime, Counts],
        since: datetime,
        until: datetime,
        mark: datetime | None,
        done: datetime,
    ) -> int | None:
        """Replace the counts of the period; None where another process did so first."""
        with self._database.transaction() as session:
            if not _move_mark(session, mark, done):
                return None
            if since < until:
                _put(session, since, until, counts)
                _forget(session, done)
        return len(counts)


def _since(session: Session, mark: datetime | None, now: datetime) -> datetime:
    """The time from which on events may be uncounted."""
    oldest = now - KEPT[Resolution.HOUR]
    if mark is not None:
        return start_of(max(min(mark, now) - LATE, oldest), MINUTE)
    first = session.scalar(select(func.min(PartitionEvent.at)))
    return start_of(max(min(first or now, now - LATE), oldest), MINUTE)


def _next_hour(session: Session, since: datetime, now: datetime) -> datetime:
    """The first hour with events from `since` on; the present one where there are none."""
    first = session.scalar(select(func.min(PartitionEvent.at)).where(PartitionEvent.at >= since))
    return start_of(min(first or now, now), HOUR)


def _entries(session: Session, minute: datetime) -> int:
    within = and_(PartitionEvent.at >= minute, PartitionEvent.at < minute + MINUTE)
    return session.scalar(select(func.count()).select_from(PartitionEvent).where(within)) or 0


def _move_mark(session: Session, seen: datetime | None, to: datetime) -> bool:
    first = insert_into(session, Heartbeat).values(name=COUNTED, at=to).on_conflict_do_nothing()
    mine = update(Heartbeat).where(Heartbeat.name == COUNTED, Heartbeat.at == seen).values(at=to)
    moved = first if seen is None else mine
    return session.scalar(moved.returning(Heartbeat.name)) is not None


def _put(
    session: Session, since: datetime, until: datetime, counts: Mapping[datetime, Counts]
) -> None:
    """Store the minutes and the sums of their quarters and hours."""
    _replace(session, Resolution.MINUTE, since, until, counts)
    since, until = start_of(since, HOUR), start_of(until - MINUTE, HOUR) + HOUR
    minutes = _minutes(session, since, until)
    for wider in (Resolution.QUARTER, Resolution.HOUR):
        _replace(session, wider, since, until, _summed(minutes, WIDTHS[wider]))


def _replace(
    session: Session,
    resolution: Resolution,
    since: datetime,
    until: datetime,
    counts: Mapping[datetime, Counts],
) -> None:
    within = and_(Activity.at >= since, Activity.at < until)
    session.execute(delete(Activity).where(Activity.resolution == resolution, within))
    rows = [
        {
            "resolution": resolution,
            "at": at,
            "signups": each.signups,
            "ready": each.ready,
            "failed": each.failed,
            "durations": packed(each.durations),
        }
        for at, each in sorted(counts.items())
    ]
    if rows:
        session.execute(insert(Activity), rows)


def _minutes(session: Session, since: datetime, until: datetime) -> dict[datetime, Counts]:
    stored = select(Activity).where(
        Activity.resolution == Resolution.MINUTE, Activity.at >= since, Activity.at < until
    )
    return {row.at: counts_of(row) for row in session.scalars(stored)}


def _summed(minutes: Mapping[datetime, Counts], width: timedelta) -> dict[datetime, Counts]:
    sums: defaultdict[datetime, Counts] = defaultdict(Counts)
    for at, counts in minutes.items():
        sums[start_of(at, width)].add(counts)
    return sums


def _forget(session: Session, now: datetime) -> None:
    old = [and_(Activity.resolution == each, Activity.at < now - KEPT[each]) for each in KEPT]
    session.execute(delete(Activity).where(or_(*old)))
