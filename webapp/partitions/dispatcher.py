"""Ringing for wishes that are written: reserve a dispatch number, push the job, mark it."""

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
from webapp.partitions.policy import RING_AGAIN, SINGLES_AT_ONCE, Rules
from webapp.partitions.requests import ring_for
from webapp.queue.job_queue import DispatchError, Doorbell, Ring

ROUND = 500
HEEDED_WITHIN_S = 1.0


class Ringing:
    """Rings the doorbell and keeps the rows in step, so that a lost ring is rung again.

    While provisioning is paused nobody is rung for; `ring_at` stays, for the due loop after it.
    """

    def __init__(self, database: Database, doorbell: Doorbell, rules: Rules) -> None:
        self._database = database
        self._doorbell = doorbell
        self._rules = rules
        self._goes_on_until = 0.0

    def ring_due(self, at_most: float = math.inf) -> int:
        """Ring for every pending row whose `ring_at` has come, the longest due first.

        One job each, but many that were not tried yet go in chunks. Returns how many were rung;
        it ends with the round in which these are `at_most`. Safe to run in several processes at
        once.
        """
        rung = 0
        while rung < at_most:
            rings = self._reserve_due()
            if not rings or not self._push_due(rings):
                break
            rung += len(rings)
        return rung

    def _reserve_due(self) -> list[Ring]:
        due = and_(
            Partition.state == PartitionState.PENDING, Partition.ring_at <= utc_now(), NOT_PAUSED
        )
        with self._database.reading() as session:
            if not is_any(session, due):
                return []
        with self._database.transaction() as session:
            return reserve(session, due, limit=ROUND)

    def _push_due(self, rings: Sequence[Ring]) -> bool:
        untried = [ring for ring in rings if ring.is_untried]
        if len(untried) <= SINGLES_AT_ONCE:
            return self._push_singles(rings)
        others = [ring for ring in rings if not ring.is_untried]
        return self._push_chunks(untried) and self._push_singles(others)

    def ring(self, rings: Sequence[Ring]) -> bool:
        """Ring for wishes made just now: singly while they are few, else in chunks.

        Returns False when Redis did not answer; the due loop then rings for them.
        """
        if not rings or self._is_paused():
            return True
        if len(rings) <= SINGLES_AT_ONCE:
            return self._push_singles(rings)
        return self._push_chunks(rings)

    def ring_after_commit(self, session: UnitOfWork, rows: Iterable[Partition]) -> None:
        """Have `ring` called for these rows once the transaction is committed."""
        rings = [ring_for(row) for row in rows]
        session.after_commit(lambda: self.ring(rings))

    def ring_chunk(self, rings: Sequence[Ring]) -> bool:
        """Ring one job for all of them, on the backfill's queue; False as in `ring`."""
        return self._is_paused() or self._push_chunk(rings)

    def heed_pause(self) -> None:
        """Look again before the next ring: somebody has just paused."""
        self._goes_on_until = 0.0

    def _is_paused(self) -> bool:
        """Whether nobody is to be rung for, looked up once a second while provisioning goes on.

        A ring in the first second of a pause is in vain, no more: no claim follows it.
        """
        now = time.monotonic()
        if now < self._goes_on_until:
            return False
        with self._database.reading() as session:
            paused = is_paused(session)
        self._goes_on_until = 0.0 if paused else now + HEEDED_WITHIN_S
        return paused

    def _push_chunks(self, rings: Sequence[Ring]) -> bool:
        size = self._rules.chunk_size
        # Every chunk is tried, even when one before it was not taken.
        taken = [
            self._push_chunk(rings[start : start + size]) for start in range(0, len(rings), size)
        ]
        return all(taken)

    def _push_chunk(self, rings: Sequence[Ring]) -> bool:
        try:
            job_id = self._doorbell.ring_chunk(rings)
        except DispatchError as error:
            return self._missed(rings, error)
        self._mark(rings, job_id)
        return True

    def _push_singles(self, rings: Sequence[Ring]) -> bool:
        if not rings:
            return True
        try:
            # A flood of retries waits behind the backfill, not in front of the next sign-up.
            self._doorbell.ring(rings, backfill=len(rings) > SINGLES_AT_ONCE)
        except DispatchError as error:
            return self._missed(rings, error)
        self._mark(rings)
        return True

    def _missed(self, rings: Sequence[Ring], error: DispatchError) -> bool:
        events.log.warning(
            events.DISPATCH_FAILED,
            tenant_id=rings[0].tenant_id,
            tenants=len(rings),
            message=str(error),
        )
        return False

    def _mark(self, rings: Sequence[Ring], chunk_id: str | None = None) -> None:
        """Note the ring, unless a worker was faster than this note."""
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
            .values(ring_at=None, dispatched_at=now, job_id=bindparam("of_job"))
        )
        rows = [
            {
                "of_tenant": ring.tenant_id,
                "of_dispatch": ring.dispatch,
                "of_fence": ring.fence,
                "of_job": chunk_id or ring.job_id,
            }
            # In the order in which claims lock them: a worker may be claiming these rows already.
            for ring in sorted(rings, key=lambda ring: ring.tenant_id)
        ]
        entries = [self._dispatched(ring, chunk_id or ring.job_id) for ring in rings]
        with self._database.transaction() as session:
            session.connection().execute(statement, rows)
            events.record(session, entries)

    def _dispatched(self, ring: Ring, job_id: str) -> events.Entry:
        return events.Entry(
            event=events.DISPATCHED,
            tenant_id=ring.tenant_id,
            collection=ring.collection,
            partition=ring.partition,
            generation=ring.generation,
            job_id=job_id,
            request_id=ring.request_id,
        )


def reserve(session: Session, which: ColumnElement[bool], limit: int) -> list[Ring]:
    """Take the next dispatch number of up to `limit` pending rows, the longest due first.

    `ring_at` moves a little ahead, so that the row is rung again when this process dies
    before it has.
    """
    chosen = (
        select(Partition.tenant_id)
        .where(Partition.state == PartitionState.PENDING, which)
        .order_by(Partition.ring_at, Partition.tenant_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(
        update(Partition)
        .where(Partition.tenant_id.in_(chosen))
        .values(dispatch=Partition.dispatch + 1, ring_at=utc_now() + RING_AGAIN)
        .returning(
            Partition.tenant_id,
            Partition.generation,
            Partition.dispatch,
            Partition.fence,
            Partition.collection,
            Partition.name.label("partition"),
            Partition.claimed_job_id.label("stale_job_id"),
            Partition.request_id,
            Partition.attempts,
        )
    )
    return [Ring(**row._asdict()) for row in rows]
