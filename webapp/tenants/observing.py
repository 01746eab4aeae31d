"""What was last seen of Milvus, and whose turn it is to look."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.database import Database, utc_now
from webapp.tenants.activity.models import CollectionSize
from webapp.tenants.causes import Cause
from webapp.tenants.models import ObservedCollection, Partition, PartitionDrift, SweepTurn

SWEEP = "sweep"


@dataclass(frozen=True)
class Place:
    """A collection itself, whatever name leads to it; Milvus Lite numbers all of them 0."""

    name: str
    number: int

    def is_same(self, other: "Place") -> bool:
        """Whether both are one collection; one of the same name may have been made anew."""
        return self.name == other.name or 0 != self.number == other.number


@dataclass(frozen=True)
class Observation:
    """One look at a collection: how many partitions, or why there was no answer."""

    collection: str
    latency_ms: int
    partitions: int | None = None
    cause: Cause | None = None
    error: str | None = None
    looked_at: datetime = field(default_factory=utc_now)
    # Which collection answered to the name, and the name of the one it stands for wrongly.
    place: Place | None = None
    moved_to: str | None = None


class Observing:
    """Stores observations, and gives one sweeper at a time its turn."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collections(self, in_use: str) -> list[str]:
        """The collections that a sweep looks at, the one in use first.

        The others are those that rows or findings of ours are in; a name that was only mistyped
        once is asked for no more.
        """
        found_in = select(PartitionDrift.collection).distinct()
        with self._database.reading() as session:
            others = {*_with_rows(session), *session.scalars(found_in)}
        return [in_use, *sorted(others - {in_use})]

    def last_cause(self, collection: str) -> Cause | None:
        """Why the last look at the collection got no answer; None when it did, or was none."""
        with self._database.reading() as session:
            row = session.get(ObservedCollection, collection)
            return row.cause if row else None

    def place(self, collection: str) -> Place | None:
        """Which collection the name stood for when its partitions were made; None: not known."""
        with self._database.reading() as session:
            row = session.get(ObservedCollection, collection)
        return Place(row.real_name, row.collection_id or 0) if row and row.real_name else None

    def accept(self, collection: str, place: Place) -> None:
        """Take the place for the right one from now on: a human says so."""
        with self._database.transaction() as session:
            if row := session.get(ObservedCollection, collection, with_for_update=True):
                _settle(row, place)

    def record(self, seen: Observation) -> None:
        """Store what was seen, in place of what was seen before, not of what was seen since."""
        now = utc_now()
        with self._database.transaction() as session:
            row = session.get(ObservedCollection, seen.collection, with_for_update=True)
            if row is None:
                row = ObservedCollection(collection=seen.collection, observed_at=now)
                session.add(row)
            elif row.observed_at > seen.looked_at:
                return
            row.observed_at = now
            row.latency_ms = seen.latency_ms
            row.cause = seen.cause
            row.error = seen.error
            row.moved_to = seen.moved_to
            if seen.place is not None:
                _settle(row, seen.place)
            if seen.cause is None:
                row.answered_at = now
                row.partitions = seen.partitions
            if seen.partitions is not None:
                _note_size(session, seen.collection, seen.partitions, now)

    def take_turn(self, holder: str, lasts: timedelta, rest: timedelta, name: str = SWEEP) -> bool:
        """Take the turn to sweep, unless another has it or one ended less than `rest` ago.

        Other names are turns of their own.
        """
        now = utc_now()
        free = and_(
            SweepTurn.name == name,
            or_(
                SweepTurn.held_until.is_(None),
                SweepTurn.held_until < now,
                SweepTurn.holder == holder,
            ),
            or_(SweepTurn.finished_at.is_(None), SweepTurn.finished_at <= now - rest),
        )
        taken = {"holder": holder, "held_until": now + lasts}
        try:
            with self._database.transaction() as session:
                if session.get(SweepTurn, name) is None:
                    session.add(SweepTurn(name=name, **taken))
                    return True
                won = session.execute(
                    update(SweepTurn).where(free).values(taken).returning(SweepTurn.name)
                )
                return won.first() is not None
        except IntegrityError:
            return False

    def keep_turn(self, holder: str, lasts: timedelta) -> bool:
        """Lengthen the turn; False when another has it now, so that this one must stop."""
        with self._database.transaction() as session:
            kept = session.execute(
                update(SweepTurn)
                .where(SweepTurn.name == SWEEP, SweepTurn.holder == holder)
                .values(held_until=utc_now() + lasts)
                .returning(SweepTurn.name)
            )
            return kept.first() is not None

    def end_turn(self, holder: str, name: str = SWEEP) -> None:
        """Give the turn back, and note when."""
        with self._database.transaction() as session:
            session.execute(
                update(SweepTurn)
                .where(SweepTurn.name == name, SweepTurn.holder == holder)
                .values(holder=None, held_until=None, finished_at=utc_now())
            )


def _settle(row: ObservedCollection, place: Place) -> None:
    row.real_name, row.collection_id, row.moved_to = place.name, place.number, None


def _note_size(session: Session, collection: str, partitions: int, now: datetime) -> None:
    """Of each day the last size stays, so that there is a pace to tell."""
    session.merge(
        CollectionSize(
            collection=collection, day=now.date(), partitions=partitions, observed_at=now
        )
    )


def _with_rows(session: Session) -> Iterator[str]:
    """The collections of all rows: a step in the index for each, however many rows it has."""
    last = ""
    while found := session.scalar(
        select(func.min(Partition.collection)).where(Partition.collection > last)
    ):
        yield (last := found)
