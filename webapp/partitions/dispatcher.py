"""Dispatches committed requests: reserve a dispatch number, push the job, mark the row.

The rows are a transactional outbox: a job that is lost from Redis is pushed again under the next
dispatch number.
"""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from sqlalchemy import ColumnElement, Table, and_, bindparam, select, update
from sqlalchemy.orm import Session

from webapp.db.batching import batches
from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.halts.brake_state import HELD
from webapp.halts.pause_state import NOT_PAUSED, is_paused
from webapp.halts.restored_state import SUSPECTED
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.partitions import events
from webapp.partitions.cas import is_any
from webapp.partitions.policy import DISPATCH_AGAIN, SINGLES_AT_ONCE, Policy
from webapp.queue.job_queue import DispatchError, JobQueue, job_id_of
from webapp.queue.own_jobs import CHUNK_ID

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
            rows = self._reserve_due()
            if not rows or not self._push_due(rows):
                break
            dispatched += len(rows)
        return dispatched

    def _reserve_due(self) -> list[Partition]:
        due = and_(
            Partition.state == PartitionState.PENDING,
            Partition.dispatch_after <= utc_now(),
            NOT_PAUSED,
            ~HELD,
            ~SUSPECTED,
        )
        with self._database.reading() as session:
            if not is_any(session, due):
                return []
        with self._database.transaction() as session:
            return reserve(session, due, limit=ROUND)

    def _push_due(self, rows: Sequence[Partition]) -> bool:
        untried = [row for row in rows if _is_untried(row)]
        if len(untried) <= SINGLES_AT_ONCE:
            return self._push_singles(rows, is_due=True)
        others = [row for row in rows if not _is_untried(row)]
        return self._push_chunks(untried, is_due=True) and self._push_singles(others, is_due=True)

    def dispatch(self, rows: Sequence[Partition]) -> bool:
        """Dispatch new requests, one job each while they are few, else in chunks.

        Returns False when Redis did not answer; the due loop then dispatches them.
        """
        if not rows or self._is_paused():
            return True
        if len(rows) <= SINGLES_AT_ONCE:
            return self._push_singles(rows)
        return self._push_chunks(rows)

    def dispatch_after_commit(self, session: UnitOfWork, rows: Sequence[Partition]) -> None:
        """Have `dispatch` called for these rows once the transaction is committed."""
        session.after_commit(lambda: self.dispatch(rows))

    def dispatch_chunks(self, rows: Sequence[Partition]) -> bool:
        """Dispatch a job for each chunk, on the backfill's queue; False as in `dispatch`."""
        return not rows or self._is_paused() or self._push_chunks(rows)

    def heed_pause(self) -> None:
        """Read the pause again before the next dispatch."""
        self._goes_on_until = 0.0

    def _is_paused(self) -> bool:
        # Read once a second. A job that is pushed in the first second of a pause cannot claim.
        now = time.monotonic()
        if now < self._goes_on_until:
            return False
        paused = self._database.read(is_paused)
        self._goes_on_until = 0.0 if paused else now + HEEDED_WITHIN_S
        return paused

    def _push_chunks(self, rows: Sequence[Partition], *, is_due: bool = False) -> bool:
        # Every chunk is pushed, also after one that failed.
        chunks = batches(rows, self._policy.chunk_size)
        pushed = [self._push(chunk, self._job_queue.push_chunk, is_due) for chunk in chunks]
        return all(pushed)

    def _push_singles(self, rows: Sequence[Partition], *, is_due: bool = False) -> bool:
        # Many retries wait behind the backfill, not in front of the next sign-up.
        push = partial(self._job_queue.push, backfill=len(rows) > SINGLES_AT_ONCE)
        return not rows or self._push(rows, push, is_due)

    def _push(
        self,
        rows: Sequence[Partition],
        push: Callable[[Sequence[Partition]], str | None],
        is_due: bool,
    ) -> bool:
        try:
            chunk_id = push(rows)
        except DispatchError as error:
            fields = {"tenant_id": rows[0].tenant_id, "tenants": len(rows)}
            # The due loop comes back each second; a request has a line of its own.
            repeats = {"repeats": str(error)} if is_due else {}
            events.log.warning(events.DISPATCH_FAILED, **fields, message=str(error), **repeats)
            return False
        self._mark(rows, chunk_id)
        return True

    def _mark(self, rows: Sequence[Partition], chunk_id: str | None) -> None:
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
        job_ids = {row.tenant_id: chunk_id or job_id_of(row) for row in rows}
        marks = [
            {
                "of_tenant": row.tenant_id,
                "of_dispatch": row.dispatch,
                "of_fence": row.fence,
                "of_job": job_ids[row.tenant_id],
            }
            # In the order in which claims lock them: a worker may be claiming these rows already.
            for row in sorted(rows, key=lambda row: row.tenant_id)
        ]
        entries = [
            events.entry_of(row, events.DISPATCHED, job_id=job_ids[row.tenant_id]) for row in rows
        ]
        with self._database.transaction() as session:
            session.connection().execute(statement, marks)
            events.record(session, entries)


def _is_untried(row: Partition) -> bool:
    """True where no attempt failed and no chunk gave it up: it may be part of a chunk."""
    return not row.attempts and not (row.claimed_job_id or "").startswith(CHUNK_ID)


def reserve(session: Session, which: ColumnElement[bool], limit: int) -> list[Partition]:
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
    reserved = (
        update(Partition)
        .where(Partition.tenant_id.in_(due))
        .values(dispatch=Partition.dispatch + 1, dispatch_after=utc_now() + DISPATCH_AGAIN)
        .returning(Partition)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(reserved))
