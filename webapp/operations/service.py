"""Runs what somebody asked for many tenants: once for each of them, whoever dies meanwhile."""

import json
from collections.abc import Sequence
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
from webapp.partitions.requests import dispatch_of
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

    def plan(self, kind: OperationKind, selection: Selection, *, adopt: bool = False) -> Plan:
        """What asking for it now would do; changes nothing."""
        planned, _lost = self._plan(Asked(kind, selection, utc_now(), adopt))
        return planned

    def _plan(self, asked: Asked) -> tuple[Plan, list[int]]:
        """The plan, and whose job is gone from Redis: a backfill dispatches these as well."""
        lost: list[int] = []
        with self._database.reading() as session:
            planned = plan(session, asked)
            if asked.kind != OperationKind.BACKFILL:
                return planned, lost
            jobs = waiting_jobs(session, asked)
        try:
            live = self._job_queue.live(set(jobs.values()))
            lost = [number for number, job_id in jobs.items() if job_id not in live]
        except DispatchError:
            log.warning("operation.jobs_unknown", jobs=len(jobs))
        return planned.taking(len(lost)), lost

    def _let_be_due(self, numbers: Sequence[int]) -> None:
        """Have requests dispatched again whose job is gone: by the operation, or the due loop."""
        for batch in batches(numbers):
            waits = and_(
                Partition.tenant_id.in_(batch),
                Partition.state == PartitionState.PENDING,
                Partition.dispatch_after.is_(None),
            )
            with self._database.transaction() as session:
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
        """Store the operation, and take its first batch at once; the reconciler does the rest.

        It takes those that its plan would take now, and never more than that. Where there is none
        to take, it is stored as settled: the request is on record all the same. With `adopt` a
        backfill takes pre-existing rows of imported tenants, or of those that are named, for the
        tenants' own.

        Raises:
            CountChanged: `expected` is not how many it would take.
        """
        asked = Asked(kind, selection, utc_now(), adopt)
        planned, lost = self._plan(asked)
        if expected is not None and expected != planned.accepted:
            raise CountChanged(expected, planned.accepted)
        self._let_be_due(lost)
        operation = new_operation(asked, planned, actor)
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
                self._dispatch(session, operation.kind, applied.dispatch)
        return operation.state == OperationState.RUNNING

    def _dispatch(
        self, session: UnitOfWork, kind: OperationKind, rows: Sequence[Partition]
    ) -> None:
        if kind != OperationKind.BACKFILL:
            self._dispatcher.dispatch_after_commit(session, rows)
            return
        dispatches = [dispatch_of(row) for row in rows]
        session.after_commit(lambda: self._dispatcher.dispatch_chunks(dispatches))

    def _take(self, session: UnitOfWork, operation: Operation) -> Applied:
        """Turn the next batch, and move the operation's place on."""
        left = operation.tenants - operation.looked_at
        asked = Asked.of(operation)
        chosen = next_ids(session, asked, operation.next_tenant_id, min(self._batch, left))
        if not chosen:
            _finish(operation)
            return Applied([])
        applied = apply(session, asked, chosen, self._policy, actor_of(operation))
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
            if session.scalar(select(exists().where(mine, Partition.state.in_(UNSETTLED)))):
                return False
        with self._database.transaction() as session:
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


def new_operation(asked: Asked, planned: Plan, actor: Actor) -> Operation:
    """The row of a new operation; none of its tenants is taken yet."""
    return Operation(
        kind=asked.kind,
        state=OperationState.RUNNING,
        asked_at=asked.at,
        adopt=asked.adopt,
        actor=actor.name,
        via=actor.via,
        address=actor.address,
        request_id=actor.request_id,
        selection=asked.selection.as_json(),
        cause=asked.selection.sole_cause if asked.kind == OperationKind.RETRY else None,
        tenants=planned.total,
        looked_at=planned.total - planned.accepted,
        next_tenant_id=0,
        accepted=0,
        skipped=json.dumps(planned.skipped),
    )


def record_request(session: UnitOfWork, operation: Operation, planned: Plan, actor: Actor) -> None:
    """Write into the audit who asked for it, and for whom."""
    adopts = {"adopt": True} if operation.adopt else {}
    asked_for = adopts | {
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
