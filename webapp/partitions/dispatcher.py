"""Dispatches committed requests: reserve a dispatch number, push the job, mark the row.

The rows are a transactional outbox: a job that is lost from Redis is pushed again under the next
dispatch number.
"""

import math
import time
from collections.abc import Iterable, Sequence
from typing import cast

from sqlalchemy import ColumnElement, Table, and_, bindparam, select, update
from sqlalchemy.orm import Session

from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.partitions import events
from webapp.partitions.cas import is_any
from webapp.partitions.pause_state import NOT_PAUSED, is_paused
from webapp.partitions.policy import DISPATCH_AGAIN, SINGLES_AT_ONCE, Policy
from webapp.partitions.requests import dispatch_of
from webapp.queue.job_queue import Dispatch, DispatchError, JobQueue

ROUND = 500
HEEDED_WITHIN_S = 1.0


class Dispatcher:
    """Pushes jobs and marks their rows.

    During a pause nothing is dispatched; `dispatch_after` stays for the due loop.
    """

    def __init__(self, database: Database, job_queue: JobQueue, policy: Policy) -> None:
        self._database = database
        self._job_queue = job_queue
        self._policy = policy
        self._goes_on_until = 0.0

    def dispatch_due(self, at_most: float = math.inf) -> int:
        """Dispatch every pending row whose `dispatch_after` has come, the longest due first.

        One job each; many rows without an attempt share jobs. Returns how many were dispatched,
        and stops after the round that reaches `at_most`. Safe in several processes at once.
        """
        dispatched = 0
        while dispatched < at_most:
            dispatches = self._reserve_due()
            if not dispatches or not self._push_due(dispatches):
                break
            dispatched += len(dispatches)
        return dispatched

    def _reserve_due(self) -> list[Dispatch]:
        due = and_(
            Partition.state == PartitionState.PENDING,
            Partition.dispatch_after <= utc_now(),
            NOT_PAUSED,
        )
        with self._database.reading() as session:
            if not is_any(session, due):
                return []
        with self._database.transaction() as session:
            return reserve(session, due, limit=ROUND)

    def _push_due(self, dispatches: Sequence[Dispatch]) -> bool:
        untried = [dispatch for dispatch in dispatches if dispatch.is_untried]
        if len(untried) <= SINGLES_AT_ONCE:
            return self._push_singles(dispatches)
        others = [dispatch for dispatch in dispatches if not dispatch.is_untried]
        return self._push_chunks(untried) and self._push_singles(others)

    def dispatch(self, dispatches: Sequence[Dispatch]) -> bool:
        """Dispatch new requests, one job each while they are few, else in chunks.

        Returns False when Redis did not answer; the due loop then dispatches them.
        """
        if not dispatches or self._is_paused():
            return True
        if len(dispatches) <= SINGLES_AT_ONCE:
            return self._push_singles(dispatches)
        return self._push_chunks(dispatches)

    def dispatch_after_commit(self, session: UnitOfWork, rows: Iterable[Partition]) -> None:
        """Have `dispatch` called for these rows once the transaction is committed."""
        dispatches = [dispatch_of(row) for row in rows]
        session.after_commit(lambda: self.dispatch(dispatches))

    def dispatch_chunks(self, dispatches: Sequence[Dispatch]) -> bool:
        """Dispatch a job for each chunk, on the backfill's queue; False as in `dispatch`."""
        return self._is_paused() or self._push_chunks(dispatches)

    def heed_pause(self) -> None:
        """Read the pause again before the next dispatch."""
        self._goes_on_until = 0.0

    def _is_paused(self) -> bool:
        # Read once a second. A job that is pushed in the first second of a pause cannot claim.
        now = time.monotonic()
        if now < self._goes_on_until:
            return False
        with self._database.reading() as session:
            paused = is_paused(session)
        self._goes_on_until = 0.0 if paused else now + HEEDED_WITHIN_S
        return paused

    def _push_chunks(self, dispatches: Sequence[Dispatch]) -> bool:
        size = self._policy.chunk_size
        # Every chunk is pushed, also after one that failed.
        pushed = [
            self._push_chunk(dispatches[start : start + size])
            for start in range(0, len(dispatches), size)
        ]
        return all(pushed)

    def _push_chunk(self, dispatches: Sequence[Dispatch]) -> bool:
        try:
            job_id = self._job_queue.push_chunk(dispatches)
        except DispatchError as error:
            return self._missed(dispatches, error)
        self._mark(dispatches, job_id)
        return True

    def _push_singles(self, dispatches: Sequence[Dispatch]) -> bool:
        if not dispatches:
            return True
        try:
            # Many retries wait behind the backfill, not in front of the next sign-up.
            self._job_queue.push(dispatches, backfill=len(dispatches) > SINGLES_AT_ONCE)
        except DispatchError as error:
            return self._missed(dispatches, error)
        self._mark(dispatches)
        return True

    def _missed(self, dispatches: Sequence[Dispatch], error: DispatchError) -> bool:
        events.log.warning(
            events.DISPATCH_FAILED,
            tenant_id=dispatches[0].tenant_id,
            tenants=len(dispatches),
            message=str(error),
        )
        return False

    def _mark(self, dispatches: Sequence[Dispatch], chunk_id: str | None = None) -> None:
        """Mark the rows as dispatched, unless a worker has claimed them already."""
        now = utc_now()
        table = cast(Table, Partition.__table__)
        statement = (
            update(table)
            .where(
                table.c.tenant_id == bindparam("of_tenant"),
                table.c.dispatch == bindparam("of_dispatch"),
                table.c.fence == bindparam("of_fence"),
                table.c.state == PartitionState.PENDING,
            )
            .values(dispatch_after=None, dispatched_at=now, job_id=bindparam("of_job"))
        )
        rows = [
            {
                "of_tenant": dispatch.tenant_id,
                "of_dispatch": dispatch.dispatch,
                "of_fence": dispatch.fence,
                "of_job": chunk_id or dispatch.job_id,
            }
            # In the order in which claims lock them: a worker may be claiming these rows already.
            for dispatch in sorted(dispatches, key=lambda dispatch: dispatch.tenant_id)
        ]
        entries = [_entry(dispatch, chunk_id or dispatch.job_id) for dispatch in dispatches]
        with self._database.transaction() as session:
            session.connection().execute(statement, rows)
            events.record(session, entries)


def _entry(dispatch: Dispatch, job_id: str) -> events.Entry:
    return events.Entry(
        event=events.DISPATCHED,
        tenant_id=dispatch.tenant_id,
        collection=dispatch.collection,
        partition=dispatch.partition,
        generation=dispatch.generation,
        job_id=job_id,
        request_id=dispatch.request_id,
    )


def reserve(session: Session, which: ColumnElement[bool], limit: int) -> list[Dispatch]:
    """Reserve the next dispatch number of up to `limit` pending rows, the longest due first.

    `dispatch_after` moves a little ahead: so a row is dispatched again
    where this process dies before the push.
    """
    due = (
        select(Partition.tenant_id)
        .where(Partition.state == PartitionState.PENDING, which)
        .order_by(Partition.dispatch_after, Partition.tenant_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.scalars(
        update(Partition)
        .where(Partition.tenant_id.in_(due))
        .values(dispatch=Partition.dispatch + 1, dispatch_after=utc_now() + DISPATCH_AGAIN)
        .returning(Partition)
        .execution_options(populate_existing=True)
    )
    return [dispatch_of(row) for row in rows]
