"""The reconciler's changes of partition rows: they complete existing requests, and make none.

Each is a conditional UPDATE over an index, so several processes may run it at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_, select, update

from webapp.db.batching import batches
from webapp.db.session import Database
from webapp.db.types import UtcDateTime, utc_now
from webapp.halts.pause_state import NOT_PAUSED, is_paused
from webapp.models.causes import OF_THE_COLLECTION, PROBED, TRANSIENT, Cause
from webapp.models.naming import folded
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.states import IfExists, PartitionState, Result
from webapp.models.tenant import Tenant
from webapp.partitions import events, repeats
from webapp.partitions.cas import change, is_any
from webapp.partitions.dispatcher import Dispatcher, reserve
from webapp.partitions.policy import (
    DISPATCH_GRACE,
    LOST_AFTER,
    MOST_DOUBLINGS,
    Policy,
    reopen_pause,
)
from webapp.partitions.requests import add_missing_rows
from webapp.processes.agreement import is_place_disputed
from webapp.queue.job_queue import JobQueue

DIED = "the worker died or stalled in the middle of the attempt"
ROUND = 500
FOLDS_A_SWEEP = 80
ADOPTS_AN_ORPHAN = and_(
    Partition.if_exists == IfExists.ADOPT,
    exists().where(
        PartitionEvent.tenant_id == Partition.tenant_id,
        PartitionEvent.event == events.ORPHAN_ADOPTED,
    ),
)
UNFOLDED = (
    select(Tenant.id).where(Tenant.folded_from.is_distinct_from(Tenant.name)).order_by(Tenant.id)
)


@dataclass(frozen=True)
class Repair:
    """Repairs rows after crashes, lost dispatches and outages."""

    database: Database
    job_queue: JobQueue
    dispatcher: Dispatcher
    policy: Policy

    def expire_leases(self) -> int:
        """End claims whose lease expired: due again, or failed after the last attempt."""
        now = utc_now()
        expired = and_(Partition.state == PartitionState.PROVISIONING, Partition.lease_until < now)
        with self.database.reading() as session:
            if not is_any(session, expired):
                return 0
        spent = Partition.attempts >= Partition.max_attempts
        again = {"state": PartitionState.PENDING, "dispatch_after": now}
        failed = {
            "state": PartitionState.FAILED,
            "cause": Cause.UNEXPECTED,
            "error": DIED,
            "reopen_at": _after_pause(now),
        }
        # Two transactions: each locks in the order of the numbers, as workers do.
        waiting = self._expire(and_(expired, ~spent), again, events.LEASE_EXPIRED, now)
        return waiting + self._expire(and_(expired, spent), failed, events.CREATE_FAILED, now)

    def _expire(
        self, which: ColumnElement[bool], values: dict[str, Any], event: str, now: datetime
    ) -> int:
        since = {"state_since": now, "lease_until": None}
        with self.database.transaction() as session:
            rows = change(session, which, values | since)
            events.record(session, [_expired(row, event) for row in rows])
            if event == events.CREATE_FAILED:
                repeats.merge_attempts(session, rows)
        return len(rows)

    def redispatch_lost(self) -> int:
        """Dispatch pending rows again whose job is gone from Redis; returns how many.

        Raises:
            DispatchError: Redis did not answer.
        """
        silent = and_(
            NOT_PAUSED,
            Partition.state == PartitionState.PENDING,
            Partition.dispatch_after.is_(None),
            Partition.dispatched_at < utc_now() - LOST_AFTER,
        )
        with self.database.reading() as session:
            jobs = session.scalars(select(Partition.job_id).where(silent).distinct()).all()
        known = [job_id for job_id in jobs if job_id]
        if not known:
            return 0
        live = self.job_queue.live(known)
        gone = [job_id for job_id in known if job_id not in live]
        dispatched = 0
        for batch in batches(gone):
            lost = and_(silent, Partition.job_id.in_(batch))
            with self.database.transaction() as session:
                dispatches = reserve(session, lost, limit=ROUND * self.policy.chunk_size)
            self.dispatcher.dispatch(dispatches)
            dispatched += len(dispatches)
        return dispatched

    def follow_collection(self) -> int:
        """Move requests without any attempt in Milvus to the collection of the settings.

        One that adopts an orphan stays with it. Those that failed for a cause of their old
        collection are reopened. None is moved while processes disagree about the collection:
        another one would move it back.
        """
        if self.database.read(is_place_disputed):
            return 0
        untouched = and_(
            Partition.state.in_([PartitionState.PENDING, PartitionState.FAILED]),
            Partition.collection != self.policy.collection,
            Partition.ready_at.is_(None),
            Partition.seen_absent_at.is_(None),
            ~ADOPTS_AN_ORPHAN,
        )
        with self.database.transaction() as session:
            # Other decisions to adopt, or to empty, were for the old collection.
            elsewhere = {"collection": self.policy.collection, "if_exists": IfExists.REFUSE}
            moved = change(session, untouched, elsewhere)
        left_behind = and_(
            Partition.state == PartitionState.FAILED, Partition.cause.in_(OF_THE_COLLECTION)
        )
        for batch in batches([row.tenant_id for row in moved if row.cause in OF_THE_COLLECTION]):
            self._reopen_batch(batch, left_behind, utc_now())
        return len(moved)

    def note_cause(self, collection: str, cause: Cause, message: str) -> int:
        """Store an observed permanent cause on rows that wait or failed for a transient one.

        It uses up no attempt. Where only an attempt can show that the cause is over, one is made
        after a pause: an outage may hide the observation that it was there before.
        """
        now = utc_now()
        concerned = and_(
            Partition.state.in_([PartitionState.PENDING, PartitionState.FAILED]),
            Partition.cause.in_(TRANSIENT),
            Partition.collection == collection,
        )
        tries_at = _after_pause(now) if cause in PROBED else None
        changed = {"cause": cause, "error": message, "reopen_at": tries_at}
        with self.database.transaction() as session:
            rows = change(session, concerned, changed)
            seen = {"cause": cause, "message": message, "actor": "sweep"}
            events.record_each(session, rows, events.CAUSE_CHANGED, **seen)
        return len(rows)

    def reopen(
        self,
        collection: str,
        at_once: Iterable[Cause],
        *,
        after_capacity: int = 0,
    ) -> int:
        """Reopen failed requests of a collection that answers, with one attempt; returns how many.

        Those of the causes `at_once` now; other transient ones after their pause; up to
        `after_capacity` of those that found the collection full, after a pause too, since the
        server's limit may be lower than the setting. Where only an attempt can show that the cause
        is over, one is made, and the others follow a success.

        During a pause only those `at_once` are reopened, and wait as pending.
        """
        now = utc_now()
        with self.database.reading() as session:
            if is_paused(session):
                return self._reopen(collection, Partition.cause.in_(list(at_once)), now)
        rested = Partition.reopen_at <= now
        passed = or_(
            Partition.cause.in_(list(at_once)), and_(Partition.cause.in_(TRANSIENT), rested)
        )
        reopened = self._reopen(collection, passed, now)
        if after_capacity:
            full = and_(Partition.cause == Cause.CAPACITY, rested)
            reopened += self._reopen(collection, full, now, limit=after_capacity)
        return reopened + self._probe(collection, now)

    def _probe(self, collection: str, now: datetime) -> int:
        refused = Partition.cause.in_(PROBED)
        mine = Partition.collection == collection
        first = select(func.min(Partition.state_since)).where(
            mine, refused, Partition.state == PartitionState.FAILED
        )
        with self.database.reading() as session:
            since = session.scalar(first)
            if since is None:
                return 0
            made_at = session.scalar(
                select(func.max(Partition.state_since)).where(
                    mine,
                    Partition.state == PartitionState.READY,
                    Partition.state_since > since,
                    Partition.result == Result.CREATED,
                )
            )
        if made_at is not None:
            return self._reopen(collection, and_(refused, Partition.state_since < made_at), now)
        return self._reopen(collection, and_(refused, Partition.reopen_at <= now), now, limit=1)

    def fold_names(self) -> int:
        """Fold the names of tenants that another program inserted, and add their rows.

        Search needs the one, requests the other. Returns how many; the next sweep does the rest.
        """
        count = 0
        for _batch in range(FOLDS_A_SWEEP):
            with self.database.reading() as session:
                if session.scalar(UNFOLDED.limit(1)) is None:
                    return count
            with self.database.transaction() as session:
                # Locked in the order of their numbers; locked ones are left to the next sweep.
                unfolded = UNFOLDED.limit(ROUND).with_for_update(skip_locked=True, key_share=True)
                batch = session.scalars(unfolded).all()
                rows = session.execute(select(Tenant.id, Tenant.name).where(Tenant.id.in_(batch)))
                names = [
                    {"id": row.id, "folded_name": folded(row.name), "folded_from": row.name}
                    for row in rows
                ]
                if names:
                    session.execute(update(Tenant), names)
                    add_missing_rows(session, batch, self.policy)
            count += len(names)
        return count

    def _reopen(
        self,
        collection: str,
        which: ColumnElement[bool],
        now: datetime,
        limit: int | None = None,
    ) -> int:
        failed = and_(
            which, Partition.state == PartitionState.FAILED, Partition.collection == collection
        )
        with self.database.reading() as session:
            ids = session.scalars(
                select(Partition.tenant_id)
                .where(failed)
                .order_by(Partition.state_since)
                .limit(limit)
            ).all()
        return sum(self._reopen_batch(batch, failed, now) for batch in batches(ids))

    def _reopen_batch(self, ids: Sequence[int], failed: ColumnElement[bool], now: datetime) -> int:
        once_more = {
            "state": PartitionState.PENDING,
            "state_since": now,
            "last_requested_at": now,
            "generation": Partition.generation + 1,
            "dispatch": Partition.dispatch + 1,
            "attempts": 0,
            "max_attempts": 1,
            "reopens": Partition.reopens + 1,
            "reopen_at": None,
            "next_attempt_at": None,
            "dispatch_after": now + DISPATCH_GRACE,
        }
        with self.database.transaction() as session:
            rows = change(session, and_(Partition.tenant_id.in_(ids), failed), once_more)
            events.record_each(session, rows, events.REOPENED, actor="sweep")
            self.dispatcher.dispatch_after_commit(session, rows)
        return len(rows)

    def drop_stale_failed_jobs(self) -> int:
        """Delete our failed jobs from RQ that are not the reason of a tenant's failure any more.

        Raises:
            DispatchError: Redis did not answer.
        """
        ids = self.job_queue.failed_job_ids()
        stale = set(ids)
        for batch in batches(ids):
            failing = select(Partition.claimed_job_id).where(
                Partition.claimed_job_id.in_(batch),
                or_(
                    Partition.state == PartitionState.FAILED,
                    and_(Partition.state == PartitionState.PENDING, Partition.attempts > 0),
                ),
            )
            with self.database.reading() as session:
                stale -= set(session.scalars(failing))
        return self.job_queue.forget_failed(stale)


def _expired(row: Partition, event: str) -> events.Entry:
    cause = Cause.UNEXPECTED if event == events.CREATE_FAILED else None
    return events.entry_of(row, event, attempt=row.attempts, cause=cause, message=DIED)


def _after_pause(now: datetime) -> ColumnElement[datetime]:
    """The end of the `reopen_pause` of a row that fails now."""
    *ends, longest = (
        literal(now + reopen_pause(reopens), UtcDateTime()) for reopens in range(MOST_DOUBLINGS + 1)
    )
    return case(dict(enumerate(ends)), value=Partition.reopens, else_=longest)
