"""Prunes entries in small batches: from the oldest to the cut-off, then again the next day.

A pass goes through the entries of one kind by their numbers. Where it stands is stored, so that it
goes on after a restart. The batch and the position are one transaction, which changes nothing if
another process has moved the position.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from jobs.pruning.archive import Archive, ArchiveError
from jobs.pruning.kinds import AUDIT, EVENTS, IMPORTS, OPERATIONS, Kind
from webapp.audit import log as audit
from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.db.upsert import insert_into
from webapp.logs import get_logger
from webapp.models.audit import Actor
from webapp.models.retention import Retention
from webapp.processes.agreement import disagreements
from webapp.processes.beats import COUNTED, last_beat
from webapp.processes.liveness import processes
from webapp.settings import Settings
from webapp.settings.model import RETENTION_NAMES
from webapp.times import rfc3339

PASS_EVERY = timedelta(days=1)
CLOCKS_DIFFER = timedelta(hours=1)
# After this time a call begins no further batch of a kind: the next sweep must not be late.
A_CALL_S = 1.0
# The pause between two batches, for other writers; as long as the last batch took, if that is more.
PAUSE_BETWEEN_BATCHES_S = 0.02
# Where a batch has no entry to prune the next one is read, at most this often.
READ_ON = 50
SWEEP = Actor("sweep", via=None)

log = get_logger("paratia.pruning")


@dataclass(frozen=True)
class Batch:
    """Entries to prune, the last one that was looked at, and whether no further one is old."""

    numbers: Sequence[int]
    position: int
    is_last: bool = False


class Pruner:
    """Prunes each kind of entry that has a retention. Several processes may do so at once."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._archive = Archive(settings.archive_dir) if settings.archive_dir else None
        retained = {
            EVENTS: settings.retain_events,
            AUDIT: settings.retain_audit,
            OPERATIONS: settings.retain_operations,
            IMPORTS: settings.retain_operations,
        }
        self._retained = {kind: timedelta(seconds=s) for kind, s in retained.items() if s}

    def prune(self) -> int:
        """Prune for `A_CALL_S` for each kind; returns how many entries. The next call goes on.

        None is pruned while processes disagree about that: one may lack its settings.
        """
        if self._database.read(_is_disputed):
            return 0
        self._forget_failures()
        return sum(self._prune(kind) for kind in self._retained)

    def _forget_failures(self) -> None:
        """Forget those of kinds that are kept for ever by now."""
        pruned = [kind.name for kind in self._retained]
        of_others = and_(Retention.failed_at.is_not(None), Retention.name.not_in(pruned))
        with self._database.reading() as session:
            if session.scalar(select(Retention.name).where(of_others)) is None:
                return
        with self._database.transaction() as session:
            session.execute(update(Retention).where(of_others).values(failed_at=None, error=None))

    def _prune(self, kind: Kind) -> int:
        pruned = 0
        for row in self._batches(kind):
            try:
                count = self._prune_batch(kind, row)
            except ArchiveError as error:
                self._note_failure(kind, str(error))
                break
            if count is None:
                break
            pruned += count
        return pruned

    def _batches(self, kind: Kind) -> Iterator[Retention]:
        """The pass of this kind before each batch; none while it rests."""
        ends_at = time.monotonic() + A_CALL_S
        while (row := self._pass(kind)) is not None and row.ended_at is None:
            began = time.monotonic()
            yield row
            took_s = time.monotonic() - began
            time.sleep(max(PAUSE_BETWEEN_BATCHES_S, took_s))
            if time.monotonic() > ends_at:
                return

    def _pass(self, kind: Kind) -> Retention | None:
        now = utc_now()
        cut_off = now - self._retained[kind]
        with self._database.reading() as session:
            row = session.get(Retention, kind.name)
            counted_to = last_beat(session, COUNTED)
        if kind is EVENTS and (counted_to is None or counted_to < cut_off + PASS_EVERY):
            # Events are pruned once they are counted for the charts.
            return None
        # The retention was raised; clocks of machines differ by less.
        is_shorter = row is not None and row.cut_off > cut_off + CLOCKS_DIFFER
        if row is None or is_shorter or (row.ended_at and row.ended_at < now - PASS_EVERY):
            return self._begin(kind, row, cut_off)
        return row

    def _begin(self, kind: Kind, before: Retention | None, cut_off: datetime) -> Retention | None:
        """Begin a pass, unless another process did; the audit's is recorded in the audit first."""
        entries = self._database.read(_count, kind, cut_off) if kind is AUDIT else 1
        now = utc_now()
        values: dict[str, Any] = {
            "cut_off": cut_off,
            "position": 0,
            "pruned": 0,
            "began_at": now,
            "ended_at": None if entries else now,
            "entry_id": None,
        }
        with self._database.transaction() as session:
            if not _replace(session, kind, before, values):
                return None
            row = session.get_one(Retention, kind.name, populate_existing=True)
            if kind is AUDIT and entries:
                row.entry_id = _record(session, cut_off, entries)
        return row

    def _prune_batch(self, kind: Kind, row: Retention) -> int | None:
        """Archive and delete the next batch; None where another process has gone on."""
        batch = self._database.read(_next_batch, kind, row)
        if self._archive and batch.numbers:
            with self._database.reading() as session:
                entries = kind.for_archive(session, batch.numbers)
            self._archive.append(kind.name, entries)
        with self._database.transaction() as session:
            if not _move(session, row, batch):
                return None
            numbers = kind.lock(session, batch.numbers) if batch.numbers else []
            if numbers:
                kind.delete(session, row, numbers)
                mine = update(Retention).where(Retention.name == row.name)
                session.execute(mine.values(pruned=Retention.pruned + len(numbers)))
        return len(numbers)

    def _note_failure(self, kind: Kind, error: str) -> None:
        """Store since when nothing can be pruned, and why; it is logged once."""
        mine = update(Retention).where(Retention.name == kind.name)
        first = mine.where(Retention.failed_at.is_(None)).values(failed_at=utc_now())
        with self._database.transaction() as session:
            is_new = session.scalar(first.returning(Retention.name)) is not None
            session.execute(mine.values(error=error))
        if is_new:
            log.warning("retention.stalled", kind=kind.name, error=error)


def _is_disputed(session: Session) -> bool:
    return not set(RETENTION_NAMES).isdisjoint(disagreements(processes(session).alive))


def _count(session: Session, kind: Kind, cut_off: datetime) -> int:
    old = select(func.count()).select_from(kind.table).where(kind.old(cut_off))
    return session.scalar(old) or 0


def _replace(
    session: Session, kind: Kind, before: Retention | None, values: dict[str, Any]
) -> bool:
    if before is None:
        first = insert_into(session, Retention).values(name=kind.name, **values)
        begun = first.on_conflict_do_nothing().returning(Retention.name)
        return session.scalar(begun) is not None
    unchanged = (Retention.name == kind.name, Retention.began_at == before.began_at)
    next_pass = update(Retention).where(*unchanged).values(values).returning(Retention.name)
    return session.scalar(next_pass) is not None


def _record(session: UnitOfWork, cut_off: datetime, entries: int) -> int:
    after = {"until": rfc3339(cut_off.replace(microsecond=0)), "entries": entries}
    return audit.record(session, actor=SWEEP, action="audit.prune", target="audit", after=after)


def _next_batch(session: Session, kind: Kind, row: Retention) -> Batch:
    """The next entries to prune; looks at a bounded number."""
    number, position = kind.table.id, row.position
    for _ in range(READ_ON):
        following = select(number, kind.began).where(number > position).order_by(number)
        found = session.execute(following.limit(kind.at_once)).all()
        if all(began >= row.cut_off for _, began in found):
            return Batch([], position, is_last=True)
        position = found[-1][0]
        among = number.in_([each for each, _ in found])
        if old := session.scalars(select(number).where(among, kind.old(row.cut_off))).all():
            return Batch(old, position)
    return Batch([], position)


def _move(session: Session, row: Retention, batch: Batch) -> bool:
    """Store the new position; False where another process has moved it or begun a pass."""
    unmoved = (
        Retention.name == row.name,
        Retention.began_at == row.began_at,
        Retention.position == row.position,
        Retention.ended_at.is_(None),
    )
    values: dict[str, Any] = {"position": batch.position, "failed_at": None, "error": None}
    if batch.is_last:
        values["ended_at"] = utc_now()
    moved = update(Retention).where(*unmoved).values(values).returning(Retention.name)
    return session.scalar(moved) is not None
