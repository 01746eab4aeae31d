"""Counts events of a period, minute by minute."""

from collections import defaultdict
from collections.abc import Set
from datetime import datetime
from typing import Any

from sqlalchemy import Row, ScalarSelect, Select, and_, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from webapp.models.partition import Partition, PartitionEvent
from webapp.partitions import events
from webapp.partitions.requests import BACKFILLED
from webapp.statistics.buckets import Counts
from webapp.statistics.histogram import bin_of

READY = (events.CREATED, events.ALREADY_EXISTS)
COUNTED = (events.REQUESTED, events.CREATE_FAILED, *READY)
# The events that begin a need; a later request of it is the same need.
BEGINNINGS = frozenset({events.REQUESTED, events.DRIFT, events.RESTORED})
REQUESTS = events.OPENINGS - {events.REMOVING}
ROWS_AT_ONCE = 2_000

Entry = PartitionEvent
Earlier = aliased(PartitionEvent)


def count(
    session: Session, since: datetime, until: datetime, attempts: int
) -> dict[datetime, Counts]:
    """The counts of each minute of the period that has any.

    A need fails once, with the last attempt of its first request. Retries and the sweep's further
    tries are the same failure; a tenant that becomes ready by one has waited since the first
    request. A backfill of imported tenants is no sign-up. `attempts` is the number for each
    request whose row has another one by now.
    """
    counts_by_minute: defaultdict[datetime, Counts] = defaultdict(Counts)
    statement = _entries(since, until, attempts).execution_options(yield_per=ROWS_AT_ONCE)
    for entry in session.execute(statement):
        _take(counts_by_minute[entry.at.replace(second=0, microsecond=0)], entry)
    return {at: counts for at, counts in counts_by_minute.items() if counts != Counts()}


def _take(counts: Counts, entry: Row[Any]) -> None:
    if entry.event == events.REQUESTED:
        counts.signups += entry.message != BACKFILLED
    elif entry.event == events.CREATE_FAILED:
        counts.failed += not entry.is_repeat and _ends_the_request(entry)
    else:
        counts.ready += 1
        if entry.requested_at is not None and entry.requested_at <= entry.at:
            counts.durations[bin_of((entry.at - entry.requested_at).total_seconds())] += 1


def _ends_the_request(failure: Row[Any]) -> bool:
    is_last = failure.attempt is None or failure.attempt >= failure.attempts
    return is_last or failure.cause is None or not failure.cause.is_transient


def _entries(since: datetime, until: datetime, attempts: int) -> Select[Any]:
    """The entries with the facts of their requests and needs.

    These come from the partition's row while the request is its latest, else from earlier events.
    """
    by_row = func.coalesce(Partition.generation == Entry.generation, False)
    is_later = Partition.last_requested_at > Partition.requested_at
    began_as = _last_before(Earlier.event, REQUESTS)
    is_repeat = case((by_row, is_later), else_=began_as.not_in(BEGINNINGS))
    requested_at = case(
        (by_row, Partition.requested_at), else_=_last_before(Earlier.at, BEGINNINGS)
    )
    return (
        select(
            Entry.at,
            Entry.event,
            Entry.attempt,
            Entry.cause,
            Entry.message,
            case((Entry.event == events.CREATE_FAILED, is_repeat)).label("is_repeat"),
            case((by_row, Partition.max_attempts), else_=attempts).label("attempts"),
            case((Entry.event.in_(READY), requested_at)).label("requested_at"),
        )
        .join(Partition, Partition.tenant_id == Entry.tenant_id, isouter=True)
        .where(Entry.at >= since, Entry.at < until, Entry.event.in_(COUNTED))
    )


def _last_before(column: InstrumentedAttribute[Any], kinds: Set[str]) -> ScalarSelect[Any]:
    """The column of the tenant's last entry of these kinds before the entry."""
    before = and_(
        Earlier.tenant_id == Entry.tenant_id, Earlier.id < Entry.id, Earlier.event.in_(kinds)
    )
    newest_first = select(column).where(before).order_by(Earlier.id.desc())
    return newest_first.limit(1).correlate(Entry).scalar_subquery()
