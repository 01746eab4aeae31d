"""Repeated attempts in a timeline: merged into one entry of each kind, with a count.

While a request fails, the sweep tries it again every few minutes, for as long as it takes. An
attempt of the sweep that ends as an earlier one of the same request did takes over the entries of
that one: the newest entries stay, with the number of times and the first time. Never merged are a
request's own attempts, acts of humans, attempts of another cause or provider, and an attempt in
which anything else happened. The log has a line for each attempt.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from webapp.models.partition import Partition, PartitionEvent
from webapp.partitions import events

# The entries that an attempt of the sweep may have.
STEPS = frozenset(
    {
        events.REOPENED,
        events.DISPATCHED,
        events.CREATING,
        events.FALLBACK,
        events.HANDED_BACK,
        events.LEASE_EXPIRED,
        events.CREATE_FAILED,
    }
)
# A dispatch may be recorded after the attempt that it led to, so an attempt may have none yet.
IN_ANY_ORDER = frozenset({events.DISPATCHED})
# The newest entries that are looked at; more would be from before entries were merged.
LOOKED_AT = 100

Key = tuple[Any, ...]


def merge_attempts(session: Session, failed: Iterable[Partition]) -> None:
    """Merge the attempts of the sweep that failed just now with earlier ones of the same outcome.

    Runs in the transaction that records the failures.
    """
    for row in failed:
        # The first attempt of the sweep is the first that can be repeated.
        if row.reopens > 1:
            _merge_attempt(session, row)


def merge_drops(session: Session, removals: Iterable[Partition]) -> None:
    """Merge the failed drops of each removal that have the same cause and number of rows."""
    for row in removals:
        if row.reopens > 1:
            of_removal = _recent(
                session, row.tenant_id, PartitionEvent.generation == row.generation
            )
            drops = [
                each for each in of_removal if each.event in {events.DROPPING, events.DROP_FAILED}
            ]
            _merge(session, drops, drops)


def _merge_attempt(session: Session, row: Partition) -> None:
    of_sweep = PartitionEvent.generation > row.generation - row.reopens
    by_generation: dict[int | None, list[PartitionEvent]] = defaultdict(list)
    for entry in _recent(session, row.tenant_id, of_sweep):
        by_generation[entry.generation].append(entry)
    latest = by_generation.pop(row.generation, [])
    outcome = _outcome(latest)
    earlier = next((each for each in by_generation.values() if _outcome(each) == outcome), None)
    if outcome is not None and earlier is not None:
        _merge(session, latest, earlier)


def _recent(
    session: Session, tenant_id: int, which: ColumnElement[bool]
) -> Sequence[PartitionEvent]:
    newest = select(PartitionEvent).where(PartitionEvent.tenant_id == tenant_id, which)
    return session.scalars(newest.order_by(PartitionEvent.id.desc()).limit(LOOKED_AT)).all()


def _outcome(entries: Sequence[PartitionEvent]) -> frozenset[Key] | None:
    """What an attempt of the sweep came to; None for anything else."""
    kinds = {entry.event for entry in entries}
    if not {events.REOPENED, events.CREATE_FAILED} <= kinds <= STEPS:
        return None
    return frozenset(_key(entry) for entry in entries if entry.event not in IN_ANY_ORDER)


def _key(entry: PartitionEvent) -> Key:
    rows = entry.message if entry.event == events.DROPPING else None
    return entry.event, entry.provider, entry.cause, rows


def _merge(
    session: Session, latest: Sequence[PartitionEvent], earlier: Sequence[PartitionEvent]
) -> None:
    """Delete entries of which a newer one of the same key exists; it takes over their counts."""
    newest: dict[Key, PartitionEvent] = {}
    for entry in latest:
        newest.setdefault(_key(entry), entry)
    stay = {entry.id for entry in newest.values()}
    repeated = {entry.id: entry for entry in (*latest, *earlier) if entry.id not in stay}
    # Only what this deletes is counted: pruning may have deleted some just now.
    statement = delete(PartitionEvent).where(PartitionEvent.id.in_(repeated))
    returning = statement.returning(PartitionEvent.id)
    ids = session.scalars(returning.execution_options(synchronize_session=False)).all()
    deleted = [repeated[number] for number in ids]
    counts = Counter[Key]()
    for entry in deleted:
        counts[_key(entry)] += entry.count
    first = _first_times(deleted)
    taken_over = [
        {
            "id": entry.id,
            "count": entry.count + counts[key],
            "first_at": min(first[key], entry.first_at or entry.at),
        }
        for key, entry in newest.items()
        if key in counts
    ]
    if taken_over:
        session.execute(update(PartitionEvent), taken_over)


def _first_times(entries: Iterable[PartitionEvent]) -> Mapping[Key, datetime]:
    first: dict[Key, datetime] = {}
    for entry in entries:
        at = entry.first_at or entry.at
        first[_key(entry)] = min(at, first.get(_key(entry), at))
    return first
