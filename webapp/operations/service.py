"""Runs what somebody asked for many tenants: once for each of them, whoever dies meanwhile."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.exc import SQLAlchemyError

from webapp.audit import log as audit
from webapp.db.session import Database, UnitOfWork
from webapp.db.types import utc_now
from webapp.errors import CountChanged
from webapp.logs import get_logger
from webapp.models.audit import Actor
from webapp.models.operation import Operation, OperationKind, OperationState
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.operations.actions import Applied, apply, mark
from webapp.operations.plan import CHANGED, Plan, next_ids, plan
from webapp.operations.progress import counts_of
from webapp.operations.selection import Selection
from webapp.partitions.dispatcher import Dispatcher
from webapp.partitions.policy import Policy
from webapp.partitions.stuck import ON_ITS_WAY
from webapp.queue.job_queue import DispatchError, JobQueue

# So many tenants a transaction: a sign-up that waits for it waits some 100 ms.
BATCH = 500

log = get_logger("paratia.operations")


class Operations:
    """Plans, stores and drives operations on many tenants.

    An operation is stored with all that it needs, then taken batch by batch: each is one
    transaction, which moves the operation's place on with what it does. So a crash between two
    batches loses nothing and does nothing twice, and any number of processes may drive it.
    """

    def __init__(
        self,
        database: Database,
        job_queue: JobQueue,
        dispatcher: Dispatcher,
        policy: Policy,
        batch: int = BATCH,
    ) -> None:
        self._database = database
        self._job_queue = job_queue
        self._dispatcher = dispatcher
        self._policy = policy
        self._batch = batch

    def plan(self, kind: OperationKind, selection: Selection) -> Plan:
        """What asking for it now would do; changes nothing."""
        with self._database.reading() as session:
            return plan(session, kind, selection, utc_now())

    def ask(
        self,
        kind: OperationKind,
        selection: Selection,
        *,
        actor: Actor,
        expected: int | None = None,
    ) -> Operation:
        """Store the operation, and take its first batch at once; the reconciler does the rest.

        It takes whom its plan would take now, and never more than that. Where there is nobody to
        take, it is stored as settled: that somebody asked is on record all the same.

        Raises:
            CountChanged: `expected` is not how many it would take.
        """
        asked_at = utc_now()
        with self._database.reading() as session:
            planned = plan(session, kind, selection, asked_at)
        if expected is not None and expected != planned.accepted:
            raise CountChanged(expected, planned.accepted)
        operation = new_operation(kind, selection, planned, asked_at, actor)
        with self._database.transaction() as session:
            session.add(operation)
            session.flush()
            record_request(session, operation, planned, actor)
        self._begin(operation.id)
        return operation

    def _begin(self, operation_id: int) -> None:
        """Take the first batch; whatever stands in the way, the reconciler goes on with it."""
        try:
            self.advance(operation_id)
        except SQLAlchemyError as error:
            log.warning("operation.put_off", operation_id=operation_id, message=str(error))

    def running(self) -> list[int]:
        """The operations that have tenants to take, the oldest first."""
        going = select(Operation.id).where(Operation.state == OperationState.RUNNING)
        with self._database.reading() as session:
            return list(session.scalars(going.order_by(Operation.id)))

    def advance(self, operation_id: int) -> bool:
        """Take the next batch, in one transaction; True while there may be more.

        Of several at once, one has the operation and the others wait their turn.
        """
        with self._database.transaction() as session:
            operation = session.get(Operation, operation_id, with_for_update=True)
            if operation is None or operation.state != OperationState.RUNNING:
                return False
            applied = self._take(session, operation)
            if operation.finished_at:
                session.after_commit(
                    lambda: log.info("operation.finished", **_log_fields(operation))
                )
            session.after_commit(lambda: self._forget_failed(applied))
            if applied.dispatch:
                self._dispatcher.dispatch_after_commit(session, applied.dispatch)
        return operation.state == OperationState.RUNNING

    def _take(self, session: UnitOfWork, operation: Operation) -> Applied:
        """Turn the next batch, and move the operation's place on."""
        left = operation.tenants - operation.looked_at
        chosen = next_ids(
            session,
            operation.kind,
            Selection.from_json(operation.selection),
            asked_at=operation.asked_at,
            first=operation.next_tenant_id,
            limit=min(self._batch, left),
        )
        if not chosen:
            _finish(operation)
            return Applied([])
        applied = apply(session, operation.kind, chosen, self._policy, actor_of(operation))
        mark(session, applied.rows, operation.id)
        operation.accepted += len(applied.rows)
        operation.looked_at += len(chosen)
        _skip(operation, len(chosen) - len(applied.rows))
        operation.next_tenant_id = chosen[-1] + 1
        if operation.looked_at >= operation.tenants:
            _finish(operation)
        return applied

    def _forget_failed(self, applied: Applied) -> None:
        if not applied.stale_jobs:
            return
        try:
            self._job_queue.forget_failed(applied.stale_jobs)
        except DispatchError as error:
            # The sweep takes away the failed jobs of tenants that are not failing.
            log.warning("operation.jobs_left", jobs=len(applied.stale_jobs), message=str(error))

    def settle(self) -> int:
        """Settle finished operations none of whose tenants is on its way any more.

        Returns how many it was. What becomes of their tenants later is not theirs any more.
        """
        over = select(Operation.id).where(Operation.state == OperationState.FINISHED)
        with self._database.reading() as session:
            waiting = session.scalars(over.order_by(Operation.id)).all()
        return sum(self._settle(operation_id) for operation_id in waiting)

    def _settle(self, operation_id: int) -> bool:
        mine = Partition.operation_id == operation_id
        with self._database.reading() as session:
            if session.scalar(select(exists().where(mine, Partition.state.in_(ON_ITS_WAY)))):
                return False
        with self._database.transaction() as session:
            operation = session.get(Operation, operation_id, with_for_update=True)
            if operation is None or operation.state != OperationState.FINISHED:
                return False
            counts = counts_of(session, [operation_id]).get(operation_id, {})
            if any(state in ON_ITS_WAY for state in counts):
                return False
            operation.state = OperationState.SETTLED
            operation.settled_at = utc_now()
            operation.ready = counts.get(PartitionState.READY, 0)
            operation.failed = counts.get(PartitionState.FAILED, 0)
        log.info("operation.settled", **_log_fields(operation))
        return True


def _skip(operation: Operation, changed: int) -> None:
    """Count those whom somebody else turned between the plan and their batch."""
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


def new_operation(
    kind: OperationKind, selection: Selection, planned: Plan, asked_at: datetime, actor: Actor
) -> Operation:
    """The row of a new operation; none of its tenants is taken yet."""
    return Operation(
        kind=kind,
        state=OperationState.RUNNING,
        asked_at=asked_at,
        actor=actor.name,
        via=actor.via,
        address=actor.address,
        request_id=actor.request_id,
        selection=selection.as_json(),
        cause=selection.sole_cause if kind == OperationKind.RETRY else None,
        tenants=planned.total,
        looked_at=planned.total - planned.accepted,
        next_tenant_id=0,
        accepted=0,
        skipped=json.dumps(planned.skipped),
    )


def record_request(session: UnitOfWork, operation: Operation, planned: Plan, actor: Actor) -> None:
    """Write into the audit who asked for it, and for whom."""
    asked_for = {
        "selection": json.loads(operation.selection),
        "tenants": planned.accepted,
        "skipped": planned.skipped,
    }
    audit.record(
        session,
        actor=actor,
        action=f"operation.{operation.kind}",
        target=f"operation {operation.id}",
        before={},
        after=asked_for,
    )


def actor_of(operation: Operation) -> Actor:
    """Who asked for it, also where somebody else goes on with it."""
    return Actor(operation.actor, operation.via, operation.address, operation.request_id)
