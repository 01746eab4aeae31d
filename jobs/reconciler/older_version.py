"""Completes what an instance of an earlier version wrote, while machines are upgraded in turn."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select

from webapp.db.session import Database
from webapp.models.partition import Partition
from webapp.models.states import WAITING
from webapp.partitions.cas import change

WAITS = Partition.state.in_(WAITING)
HAS_BEGINNING = Partition.waiting_since.is_not(None)

# Each condition is read from an index alone, since nearly always no row meets it.
COMPLETIONS: list[tuple[ColumnElement[bool], dict[str, Any]]] = [
    # A request that it made.
    (
        and_(WAITS, ~HAS_BEGINNING),
        dict.fromkeys(("waiting_since", "last_requested_at"), Partition.requested_at),
    ),
    # A retry of it, which set the moment of the first request alone.
    (
        and_(WAITS, HAS_BEGINNING, Partition.last_requested_at < Partition.requested_at),
        {"requested_at": Partition.waiting_since, "last_requested_at": Partition.requested_at},
    ),
    # A proof or a deletion of it.
    (and_(~WAITS, HAS_BEGINNING), {"waiting_since": None}),
]


def count_of(which: ColumnElement[bool]) -> Select[int]:
    """Not EXISTS: PostgreSQL expects many such rows, and would read the table for the first."""
    return select(func.count()).select_from(Partition).where(which)


def complete_moments(database: Database) -> int:
    """Complete the moments of requests; returns in how many rows."""
    count = 0
    for which, values in COMPLETIONS:
        with database.reading() as session:
            if not session.scalar(count_of(which)):
                continue
        with database.transaction() as session:
            count += len(change(session, which, values))
    return count
