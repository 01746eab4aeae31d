"""The brake: what looks like a disaster is not repaired before a human has looked at it."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs.drift.compare import Listing, proven_in
from jobs.drift.found import mark_accepted, mark_found
from jobs.drift.missing import mark_missing
from jobs.milvus.store import PartitionStore, Place
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.halts.brake_state import IS_ON
from webapp.halts.brakes import RELEASED
from webapp.halts.pause_state import is_paused
from webapp.logs import get_logger
from webapp.models.causes import Cause
from webapp.models.control import Brake
from webapp.models.observed import ObservedCollection
from webapp.models.partition import Partition
from webapp.models.states import PartitionState

# A hand that slips drops one partition or a few; these are made again at once. Both limits must be
# exceeded: ten of twenty may be a script that was run by mistake, ten of a thousand are mended.
MORE_THAN = 10
SHARE = 0.05
# Losses of this time count together, unless they are acknowledged: a trickle of a few a sweep is
# a disaster too. A day, so that what happens at night is seen in the morning.
WINDOW = timedelta(hours=24)
# Milvus Lite gives collections no number, so one that came back empty is known by that alone. One
# or two partitions may have been dropped by hand; that all of three or more were is unlikely.
ALL_OF = 3

ENGAGED = "milvus.collection.brake_engaged"
# The states of a partition that was lost and made again, or is being made.
LOST = (
    PartitionState.PENDING,
    PartitionState.PROVISIONING,
    PartitionState.READY,
    PartitionState.FAILED,
)

log = get_logger("paratia.brake")


@dataclass(frozen=True)
class Sight:
    """What a look at a collection found: how many of the proven partitions are gone, and why.

    `place` is the collection that answered.
    """

    collection: str
    asked_at: datetime
    reason: Cause
    gone: int
    proven: int
    place: Place | None = None


def guard(database: Database, store: PartitionStore, listing: Listing) -> bool:
    """Bring brake and rows into line with a listing; True while nothing may be made or dropped.

    What is listed again is ready again. What is gone is marked as missing while it may not be made
    again: behind a brake, and during a pause.

    Raises:
        StoreError: what is in an accepted collection cannot be counted now.
    """
    if listing.is_replaced:
        # Its partitions prove nothing about those of the collection that was known.
        reason: Cause | None = Cause.COLLECTION_REPLACED
    else:
        mark_found(database, store, listing, is_same=_is_same(database, listing))
        if accepted_at := _just_accepted(database, listing):
            mark_accepted(database, store, listing, accepted_at)
        reason = _judge(database, listing)
    if reason is None:
        release(database, listing.collection)
        is_halted: bool = database.read(is_paused)
        if listing.gone and is_halted:
            mark_missing(database, listing.collection, listing.gone, listing.asked_at, None)
        return False
    seen = Sight(
        listing.collection,
        listing.asked_at,
        reason,
        len(listing.gone),
        len(listing.proven),
        listing.place,
    )
    if engage(database, seen):
        mark_missing(database, listing.collection, listing.gone, listing.asked_at, reason)
    return True


def _is_same(database: Database, listing: Listing) -> bool:
    """Whether the collection's number proves that it is the one that was known all the time."""
    has_identity = listing.place is not None and listing.place.has_identity
    return has_identity and decided_at(database, listing.collection) is None


def _just_accepted(database: Database, listing: Listing) -> datetime | None:
    """When an operator accepted another collection, until it was compared for the first time."""
    with database.reading() as session:
        brake = session.get(Brake, listing.collection)
        observed = session.get(ObservedCollection, listing.collection)
        compared_at = observed.compared_at if observed else None
        if brake is None or brake.reason != Cause.COLLECTION_REPLACED or not brake.released_by:
            return None
        decided = brake.released_at
        return decided if decided and (compared_at is None or compared_at < decided) else None


def guard_missing(database: Database, collection: str, asked_at: datetime) -> None:
    """The same for a collection that Milvus does not have: all that was proven in it is gone."""
    ready, missing = proven_in(database, collection)
    proven = ready | missing
    reason = Cause.COLLECTION_MISSING
    if proven and engage(database, Sight(collection, asked_at, reason, len(proven), len(proven))):
        mark_missing(database, collection, proven, asked_at, reason)


def decided_at(database: Database, collection: str) -> datetime | None:
    """When a human last decided that this collection's missing partitions are made again."""
    row = database.read(Session.get, Brake, collection)
    return row.released_at if row and row.released_by else None


def engage(database: Database, seen: Sight) -> bool:
    """Put the brake on, or correct its figures; False where a later listing is known."""
    now = utc_now()
    with database.transaction() as session:
        observed = session.get(ObservedCollection, seen.collection, with_for_update=True)
        if observed and observed.compared_at and observed.compared_at > seen.asked_at:
            return False
        new = _columns(seen)
        first = insert_into(session, Brake).values(
            collection=seen.collection, since=now, released_at=now, **new
        )
        session.execute(first.on_conflict_do_nothing())
        row = session.get_one(Brake, seen.collection, with_for_update=True)
        is_news = row.released_at is not None or row.reason != seen.reason
        if is_news:
            row.since = now
            row.released_at = row.released_by = row.acknowledged_at = row.acknowledged_by = None
            figures = {"reason": seen.reason, "gone": seen.gone, "proven": seen.proven}
            session.after_commit(lambda: log.error(ENGAGED, collection=seen.collection, **figures))
        for name, value in new.items():
            setattr(row, name, value)
    return True


def _columns(seen: Sight) -> dict[str, Any]:
    columns: dict[str, Any] = {"reason": seen.reason, "gone": seen.gone, "proven": seen.proven}
    found = seen.place if seen.reason == Cause.COLLECTION_REPLACED else None
    return {
        **columns,
        "found_name": found.name if found else None,
        "found_id": found.number if found else None,
        "found_created": found.created or None if found else None,
    }


def release(database: Database, collection: str) -> None:
    """Take the brake off, since all that was proven is listed again."""
    mine = (Brake.collection == collection, IS_ON)
    with database.reading() as session:
        reason = session.scalar(select(Brake.reason).where(*mine))
    if reason is None:
        return
    released = {"released_at": utc_now(), "released_by": None}
    with database.transaction() as session:
        ended = session.scalar(update(Brake).where(*mine).values(released).returning(Brake.reason))
    if ended:
        log.warning(RELEASED, collection=collection, reason=ended, actor=None)


def _judge(database: Database, listing: Listing) -> Cause | None:
    """Why the gone partitions may not be made again; None where they may."""
    if not listing.gone:
        return None
    with database.reading() as session:
        row = session.get(Brake, listing.collection)
        before = row.reason if row and row.released_at is None else None
        lost = _lost(session, listing, row)
    if before == Cause.PARTITIONS_GONE:
        return before
    if _came_back_empty(listing, lost, before):
        return Cause.COLLECTION_REPLACED
    is_many = len(lost) > MORE_THAN and len(lost) > SHARE * len(listing.proven | lost)
    return Cause.PARTITIONS_GONE if is_many else None


def _came_back_empty(listing: Listing, lost: Set[int], before: Cause | None) -> bool:
    if listing.place is None or listing.place.has_identity or listing.gone != listing.proven:
        return False
    was_away = before in {Cause.COLLECTION_MISSING, Cause.COLLECTION_REPLACED}
    return bool(lost) and (was_away or len(lost) >= ALL_OF)


def _lost(session: Session, listing: Listing, last: Brake | None) -> frozenset[int]:
    """The gone partitions without a decision, and the losses of the last day."""
    decided = last.released_at if last and last.released_by else None
    since = max(filter(None, (decided, utc_now() - WINDOW)))
    mine = Partition.collection == listing.collection
    lately = select(Partition.tenant_id).where(
        mine, Partition.state.in_(LOST), Partition.rows_lost_at > since
    )
    lost = listing.gone | frozenset(session.scalars(lately))
    if decided is None:
        return lost
    known = select(Partition.tenant_id).where(
        mine, Partition.state == PartitionState.MISSING, Partition.state_since <= decided
    )
    return lost - frozenset(session.scalars(known))
