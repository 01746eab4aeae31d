"""Runs operations on many tenants: once for each, also after a crash."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, exists, select
from sqlalchemy.exc import SQLAlchemyError

from webapp.audit import log as audit
from webapp.db.batching import batches
from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.errors import CountChanged
from webapp.logs import get_logger
from webapp.models.audit import Actor
from webapp.models.operation import Operation, OperationKind, OperationState
from webapp.models.partition import Partition
from webapp.models.states import UNSETTLED, PartitionState
from webapp.operations.actions import Applied, apply, mark
from webapp.operations.plan import CHANGED, Asked, Plan, next_ids, plan, waiting_jobs
from webapp.operations.progress import counts_of
from webapp.operations.selection import Selection
from webapp.partitions.cas import change
from webapp.partitions.dispatcher import Dispatcher
from webapp.partitions.policy import Policy
from webapp.queue.job_queue import DispatchError, JobQueue

# Tenants in one transaction: a sign-up waits some 100 ms for its end.
BATCH = 500

log = get_logger("paratia.operations")


@dataclass(frozen=True)
class Operations:
    """Plans, stores and drives operations on many tenants.

    Each batch is one transaction, which also moves the stored position of the operation. So a
    crash loses nothing and repeats nothing, and several processes may drive one operation.
    """

    database: Database
    job_queue: JobQueue
    dispatcher: Dispatcher
    policy: Policy
    batch: int = BATCH

    def plan(self, kind: OperationKind, selection: Selection, *, adopt: bool = False) -> Plan:
        """The plan of an operation that is asked now; changes nothing."""
        planned, _lost = self._plan(Asked(kind, selection, utc_now(), adopt))
        return planned

    def _plan(self, asked: Asked) -> tuple[Plan, list[int]]:
        """The plan, and the tenants whose job is gone: a backfill dispatches these too."""
        lost: list[int] = []
        with self.database.reading() as session:
            planned = plan(session, asked)
            if asked.kind != OperationKind.BACKFILL:
                return planned, lost
            jobs = waiting_jobs(session, asked)
        try:
            live = self.job_queue.live(set(jobs.values())) if jobs else ()
            lost = [number for number, job_id in jobs.items() if job_id not in live]
        except DispatchError:
            log.warning("operation.jobs_unknown", jobs=len(jobs))
        return planned.taking(len(lost)), lost

    def _make_due(self, numbers: Sequence[int]) -> None:
        """Make requests due whose job is gone; the operation or the due loop dispatches them."""
        for batch in batches(numbers):
            waits = and_(
                Partition.tenant_id.in_(batch),
                Partition.state == PartitionState.PENDING,
                Partition.dispatch_after.is_(None),
            )
            with self.database.transaction() as session:
                change(session, waits, {"dispatch_after": utc_now()})

    def ask(
        self,
        kind: OperationKind,
        selection: Selection,
        *,
        actor: Actor,
        expected: int | None = None,
        adopt: bool = False,
    ) -> Operation:
        """Store the operation and take its first batch; the reconciler takes the others.

        It changes at most the tenants of its plan; with none it is stored as settled. With `adopt`
        a backfill adopts pre-existing rows of imported tenants, or of the given numbers.

        Raises:
            CountChanged: the plan does not accept `expected` tenants.
        """
        asked = Asked(kind, selection, utc_now(), adopt)
        planned, lost = self._plan(asked)
        if expected is not None and expected != planned.accepted:
            raise CountChanged(expected, planned.accepted)
        self._make_due(lost)
        operation = _new_operation(asked, planned, actor)
        with self.database.transaction() as session:
            session.add(operation)
            session.flush()
            _audit(session, operation, planned, actor)
        try:
            self.advance(operation.id)
        except SQLAlchemyError as error:
            # The reconciler goes on with it.
            log.warning("operation.put_off", operation_id=operation.id, message=str(error))
        return operation

    def running(self) -> list[int]:
        """The operations that have batches left, the oldest first."""
        going = select(Operation.id).where(Operation.state == OperationState.RUNNING)
        with self.database.reading() as session:
            return list(session.scalars(going.order_by(Operation.id)))

    def advance(self, operation_id: int) -> bool:
        """Take the next batch in one transaction; True while there may be more.

        Concurrent calls wait for each other.
        """
        with self.database.transaction() as session:
            operation = session.get(Operation, operation_id, with_for_update=True)
            if operation is None or operation.state != OperationState.RUNNING:
                return False
            applied = self._take(session, operation)
            if operation.finished_at:
                session.after_commit(
                    lambda: log.info("operation.finished", **_log_fields(operation))
                )
            session.after_commit(lambda: self._forget_failed(applied))
            is_backfill = operation.kind == OperationKind.BACKFILL
            push = self.dispatcher.dispatch_chunks if is_backfill else self.dispatcher.dispatch
            session.after_commit(lambda: push(applied.dispatch))
        return operation.state == OperationState.RUNNING

    def _take(self, session: UnitOfWork, operation: Operation) -> Applied:
        left = operation.tenants - operation.looked_at
        asked = Asked.of(operation)
        numbers = next_ids(session, asked, operation.next_tenant_id, min(self.batch, left))
        if not numbers:
            _finish(operation)
            return Applied([])
        applied = apply(session, asked, numbers, self.policy, operation.author)
        mark(session, applied.rows, operation.id)
        operation.accepted += len(applied.rows)
        operation.looked_at += len(numbers)
        _skip(operation, len(numbers) - len(applied.rows))
        operation.next_tenant_id = numbers[-1] + 1
        if operation.looked_at >= operation.tenants:
            _finish(operation)
        return applied

    def _forget_failed(self, applied: Applied) -> None:
        if not applied.stale_jobs:
            return
        try:
            self.job_queue.forget_failed(applied.stale_jobs)
        except DispatchError as error:
            # The sweep drops failed jobs of tenants that are not failing.
            log.warning("operation.jobs_left", jobs=len(applied.stale_jobs), message=str(error))

    def settle(self) -> int:
        """Store the final counts of finished operations without an unsettled tenant.

        Returns the number of operations that were settled.
        """
        over = select(Operation.id).where(Operation.state == OperationState.FINISHED)
        with self.database.reading() as session:
            waiting = session.scalars(over.order_by(Operation.id)).all()
        return sum(self._settle(operation_id) for operation_id in waiting)

    def _settle(self, operation_id: int) -> bool:
        mine = Partition.operation_id == operation_id
        with self.database.reading() as session:
            if session.scalar(select(exists().where(mine, Partition.state.in_(UNSETTLED)))):
                return False
        with self.database.transaction() as session:
            operation = session.get(Operation, operation_id, with_for_update=True)
            if operation is None or operation.state != OperationState.FINISHED:
                return False
            counts = counts_of(session, [operation_id]).get(operation_id, {})
            if any(state in UNSETTLED for state in counts):
                return False
            operation.state = OperationState.SETTLED
            operation.settled_at = utc_now()
            operation.ready = counts.get(PartitionState.READY, 0)
            operation.failed = counts.get(PartitionState.FAILED, 0)
        log.info("operation.settled", **_log_fields(operation))
        return True


def _skip(operation: Operation, changed: int) -> None:
    """Count tenants that were changed by others between the plan and their batch."""
    if changed:
        skipped = json.loads(operation.skipped)
        skipped[CHANGED] = skipped.get(CHANGED, 0) + changed
        operation.skipped = json.dumps(skipped)


def _finish(operation: Operation) -> None:
    _skip(operation, operation.tenants - operation.looked_at)
    operation.looked_at = operation.tenants
    operation.state = OperationState.FINISHED
    operation.finished_at = utc_now()
    if not operation.accepted:
        operation.state = OperationState.SETTLED
        operation.settled_at = operation.finished_at
        operation.ready = operation.failed = 0


def _log_fields(operation: Operation) -> dict[str, Any]:
    return {
        "operation_id": operation.id,
        "kind": operation.kind,
        "accepted": operation.accepted,
        "skipped": json.loads(operation.skipped),
        "ready": operation.ready,
        "failed": operation.failed,
    }


def _new_operation(asked: Asked, planned: Plan, actor: Actor) -> Operation:
    return Operation(
        kind=asked.kind,
        state=OperationState.RUNNING,
        asked_at=asked.at,
        adopt=asked.adopt,
        **actor.columns,
        selection=asked.selection.as_json(),
        cause=asked.selection.sole_cause if asked.kind == OperationKind.RETRY else None,
        tenants=planned.total,
        looked_at=planned.total - planned.accepted,
        next_tenant_id=0,
        accepted=0,
        skipped=json.dumps(planned.skipped),
    )


def _audit(session: UnitOfWork, operation: Operation, planned: Plan, actor: Actor) -> None:
    after: dict[str, object] = {"adopt": True} if operation.adopt else {}
    after |= {
        "selection": json.loads(operation.selection),
        "tenants": planned.accepted,
        "skipped": planned.skipped,
    }
    action, target = f"operation.{operation.kind}", f"operation {operation.id}"
    audit.record(session, actor=actor, action=action, target=target, before={}, after=after)
