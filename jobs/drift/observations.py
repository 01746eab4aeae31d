"""Stores and reads the last observation of each collection."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, select
from sqlalchemy.orm import Session

from jobs.milvus.store import (
    CollectionMoved,
    CollectionReplaced,
    PartitionStore,
    Place,
    StoreError,
)
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.observed import CollectionSize, ObservedCollection, PartitionDrift
from webapp.models.partition import Partition
from webapp.models.states import DriftKind, PartitionState
from webapp.partitions.cas import is_any

SIZES_KEPT = timedelta(days=365)


@dataclass(frozen=True)
class Observation:
    """One look at a collection: its number of partitions, or why there was no answer."""

    collection: str
    latency_ms: int
    partitions: int | None = None
    cause: Cause | None = None
    error: str | None = None
    looked_at: datetime = field(default_factory=utc_now)
    # The collection that answered, and for a moved alias the one that it stands for now.
    place: Place | None = None
    moved_to: str | None = None


def observed_collections(database: Database, in_use: str) -> list[str]:
    """The collections that a sweep observes: the one in use, then those with rows or findings.

    So a name that was mistyped once is not observed for ever. Partitions of other names are no
    reason: they may be another application's.
    """
    found_in = select(PartitionDrift.collection).where(PartitionDrift.kind != DriftKind.OTHER)
    with database.reading() as session:
        others = {*_with_rows(session), *session.scalars(found_in.distinct())}
    return [in_use, *sorted(others - {in_use})]


def last_cause(database: Database, collection: str) -> Cause | None:
    """Why the last observation got no answer; None when it did, or there was none."""
    with database.reading() as session:
        row = session.get(ObservedCollection, collection)
        return row.cause if row else None


def known_place(database: Database, collection: str) -> Place | None:
    """The collection that the name stood for when its partitions were made; None: unknown."""
    row = database.read(Session.get, ObservedCollection, collection)
    if row is None or row.real_name is None:
        return None
    return Place(row.real_name, row.collection_id or 0, row.collection_created or 0)


def accept_place(database: Database, collection: str, place: Place) -> None:
    """Store that a human confirmed the place as the right one."""
    with database.transaction() as session:
        if row := session.get(ObservedCollection, collection, with_for_update=True):
            _settle(row, place)


def record_observation(database: Database, observation: Observation) -> None:
    """Store the observation, unless a later one is stored."""
    now = utc_now()
    with database.transaction() as session:
        row = session.get(ObservedCollection, observation.collection, with_for_update=True)
        if row is None:
            row = ObservedCollection(collection=observation.collection, observed_at=now)
            session.add(row)
        elif row.observed_at > observation.looked_at:
            return
        row.observed_at = now
        row.latency_ms = observation.latency_ms
        row.cause = observation.cause
        row.error = observation.error
        row.moved_to = observation.moved_to
        if observation.place is not None:
            _settle(row, observation.place)
        if observation.cause is None:
            row.answered_at = now
            row.partitions = observation.partitions
        if observation.partitions is not None:
            _note_size(session, observation.collection, observation.partitions, now)


def _settle(row: ObservedCollection, place: Place) -> None:
    row.real_name, row.moved_to = place.name, None
    row.collection_id, row.collection_created = place.number, place.created or None


def _note_size(session: Session, collection: str, partitions: int, now: datetime) -> None:
    """Store the size; the last one of each day stays for a year, for the forecast."""
    today = now.date()
    if session.get(CollectionSize, (collection, today)) is None:
        session.execute(delete(CollectionSize).where(CollectionSize.day < today - SIZES_KEPT))
    session.merge(
        CollectionSize(collection=collection, day=today, partitions=partitions, observed_at=now)
    )


def _with_rows(session: Session) -> Iterator[str]:
    """The collections of all rows, by one step in the index for each collection."""
    last = ""
    while collection := session.scalar(
        select(func.min(Partition.collection)).where(Partition.collection > last)
    ):
        yield (last := collection)


def located(database: Database, store: PartitionStore, collection: str) -> Place:
    """The collection that the name stands for, which must be the one that it stood for.

    Another one that was made under the same name is accepted while nothing of ours was proven in
    the first.

    Raises:
        CollectionMoved: the name is an alias that was moved or dropped: another collection says
            nothing about the partitions in the first.
        CollectionReplaced: the same of another collection with the name of the first.
        StoreError: `collection_missing`, or that the server did not answer.
    """
    known = known_place(database, collection)
    try:
        place = store.locate(collection)
    except StoreError as error:
        if error.cause != Cause.COLLECTION_MISSING or known is None or known.name == collection:
            raise
        if known.is_same(store.locate(known.name)):
            raise CollectionMoved(collection, known, None) from None
        raise
    if known is None or known.is_same(place):
        return place
    if known.name != place.name:
        raise CollectionMoved(collection, known, place)
    if database.read(has_proven, collection):
        raise CollectionReplaced(collection, place)
    return place


def has_proven(session: Session, collection: str) -> bool:
    """Whether the collection had a partition of ours that was not dropped."""
    was_there = and_(
        Partition.collection == collection,
        Partition.state != PartitionState.REMOVED,
        Partition.ready_at.is_not(None),
    )
    return is_any(session, was_there)
