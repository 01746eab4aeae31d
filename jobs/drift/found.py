"""What becomes of a missing partition that Milvus lists again: ready, and told if it is empty."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, not_, select

from jobs.drift.compare import Listing
from jobs.milvus.store import PartitionStore, StoreError
from webapp.db.batching import batches
from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.logs import get_logger
from webapp.models.causes import NO_ANSWER, NOT_THERE, Cause
from webapp.models.naming import partition_name
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.partitions import events
from webapp.partitions.cas import change

LISTED_AGAIN = "Milvus lists it again"
AGAIN_EMPTY = "Milvus lists it again, empty: its rows may be lost"
AGAIN_UNCOUNTED = "Milvus lists it again, and its rows could not be counted: they may be lost"
OTHER_EMPTY = "another collection was accepted, and holds no rows of it: they may be lost"
# Whether rows may be lost, by what the timeline says.
LOST = {LISTED_AGAIN: False, AGAIN_EMPTY: True, AGAIN_UNCOUNTED: True}

# Each batch has a deadline of its own, so that each sweep gets on.
COUNTED_AT_ONCE = 100
# Of these another count may succeed a moment later.
COUNTED_LATER = NO_ANSWER | {Cause.RATE_LIMITED}

log = get_logger("paratia.brake")


def mark_found(
    database: Database, store: PartitionStore, listing: Listing, *, is_same: bool
) -> None:
    """Mark missing partitions as ready that are listed again.

    They vanished and came back without any act of ours, restored with their rows or made by hand
    without: an empty one is marked, its rows may be lost, and so is one that cannot be counted. One
    that cannot be counted now stays missing until a later sweep.

    `is_same`: the collection is, by its number, the one in which they were proven. Those that were
    missing because another one answered, or none, never left it, and are not counted.
    """
    for numbers in batches(sorted(listing.found), COUNTED_AT_ONCE):
        uncertain = _missing_of(listing, numbers)
        if is_same:
            uncertain = and_(uncertain, not_(Partition.cause.in_(NOT_THERE)))
        try:
            rows = _count(database, store, listing, uncertain)
        except StoreError as error:
            fields = {"collection": listing.collection, "cause": error.cause}
            log.warning("milvus.drift.not_settled", **fields, message=error.message)
            return
        with database.transaction() as session:
            for message, is_lost in LOST.items():
                chosen = [number for number in numbers if _message(rows, number) == message]
                _mark(session, listing, chosen, message, is_lost=is_lost)


def mark_accepted(
    database: Database, store: PartitionStore, listing: Listing, decided_at: datetime
) -> None:
    """Mark ready partitions without rows, of a collection that an operator has just accepted.

    They are those of another collection than the one in which they were proven.

    Raises:
        StoreError: the rows cannot be counted now.
    """
    listed = [number for number in listing.ready if partition_name(number) in listing.names]
    for numbers in batches(sorted(listed), COUNTED_AT_ONCE):
        proven_before = and_(
            Partition.tenant_id.in_(numbers),
            Partition.collection == listing.collection,
            Partition.state == PartitionState.READY,
            Partition.state_since < decided_at,
            Partition.rows_lost_at.is_(None),
        )
        rows = _count(database, store, listing, proven_before)
        empty = [number for number, count in rows.items() if not count]
        with database.transaction() as session:
            which = and_(proven_before, Partition.tenant_id.in_(empty))
            marked = change(session, which, {"rows_lost_at": utc_now()})
            events.record_each(session, marked, events.DRIFT, message=OTHER_EMPTY, actor="sweep")


def _count(
    database: Database, store: PartitionStore, listing: Listing, which: ColumnElement[bool]
) -> Mapping[int, int | None]:
    """The rows of each of these; None where the server cannot say.

    Raises:
        StoreError: of a cause in `COUNTED_LATER`.
    """
    with database.reading() as session:
        counted = session.scalars(select(Partition.tenant_id).where(which)).all()
    place = listing.place.name if listing.place else listing.collection
    names = {number: partition_name(number) for number in counted}
    try:
        rows = store.count_each(place, list(names.values())) if names else {}
    except StoreError as error:
        if error.cause in COUNTED_LATER:
            raise
        rows = {}
    return {number: rows.get(name) for number, name in names.items()}


def _message(rows: Mapping[int, int | None], number: int) -> str:
    if number not in rows or rows[number]:
        return LISTED_AGAIN
    return AGAIN_UNCOUNTED if rows[number] is None else AGAIN_EMPTY


def _mark(
    session: UnitOfWork,
    listing: Listing,
    numbers: Sequence[int],
    message: str,
    *,
    is_lost: bool,
) -> None:
    now = utc_now()
    found = {
        "state": PartitionState.READY,
        "state_since": now,
        "verified_at": listing.asked_at,
        "waiting_since": None,
        "cause": None,
        "error": None,
    }
    lost = {"rows_lost_at": now} if is_lost else {}
    rows = change(session, _missing_of(listing, numbers), found | lost)
    events.record_each(session, rows, events.FOUND, message=message, actor="sweep")


def _missing_of(listing: Listing, numbers: Sequence[int]) -> ColumnElement[bool]:
    return and_(
        Partition.tenant_id.in_(numbers),
        Partition.collection == listing.collection,
        Partition.state == PartitionState.MISSING,
        Partition.state_since < listing.asked_at,
    )
