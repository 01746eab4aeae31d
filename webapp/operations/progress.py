"""The progress of operations, and the present states of the tenants that they changed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from webapp.halts.brake_state import HELD
from webapp.halts.pause_state import NOT_PAUSED
from webapp.halts.restored_state import SUSPECTED
from webapp.models.causes import Cause
from webapp.models.operation import Operation, OperationKind, OperationState
from webapp.models.partition import Partition
from webapp.models.states import GONE, UNSETTLED, WAITING, PartitionState
from webapp.tenants.queries import Page, page_of

Counts = Mapping[PartitionState, int]
WAITING_OR_READY = (*WAITING, PartitionState.READY)


@dataclass(frozen=True)
class Progress:
    """The counts of an operation now; of a settled one, those at its end."""

    # How many matched, how many of these it changes in all, and how many it has changed.
    total: int
    planned: int
    accepted: int
    skipped: dict[str, int]
    waiting: int = 0
    ready: int = 0
    failed: int = 0
    # Of a deletion: to be dropped, and gone.
    removing: int = 0
    gone: int = 0
    # Neither waiting, ready nor failed: taken up by something later, or without a partition.
    elsewhere: int = 0
    # How many wait no more.
    finished: int = 0

    @property
    def outcome(self) -> tuple[int, int, int]:
        """How many are ready, failed and waiting."""
        return self.ready, self.failed, self.waiting

    @property
    def skipped_in_all(self) -> int:
        """The number of skipped tenants."""
        return sum(self.skipped.values())


@dataclass(frozen=True)
class View:
    operation: Operation
    progress: Progress

    @property
    def is_over(self) -> bool:
        return self.operation.state == OperationState.SETTLED


def find(session: Session, operation_id: int) -> View | None:
    """The operation with this number; two queries."""
    operation = session.get(Operation, operation_id)
    return views(session, [operation])[0] if operation else None


def present(session: Session, view: View) -> Progress | None:
    """What became of a settled operation's tenants since its result; None where nothing changed."""
    operation = view.operation
    if not _is_frozen(operation):
        return None
    now = _progress(operation, counts_of(session, [operation.id]).get(operation.id, {}))
    return now if now.outcome != view.progress.outcome else None


def recent(session: Session, limit: int, before: int | None = None) -> Page[View]:
    """Operations, newest first; the cursor is the last number of the page. Two queries."""
    statement = select(Operation).order_by(Operation.id.desc())
    if before is not None:
        statement = statement.where(Operation.id < before)
    page = page_of(session, statement, limit)
    return Page(views(session, page.items), page.next_cursor)


def last_retries(session: Session, causes: Sequence[Cause]) -> dict[Cause, View]:
    """The last retry of all that failed for a cause, by cause. Two queries."""
    newest = select(func.max(Operation.id)).where(Operation.cause.in_(causes))
    statement = select(Operation).where(Operation.id.in_(newest.group_by(Operation.cause)))
    found = views(session, session.scalars(statement).all())
    return {Cause(view.operation.cause): view for view in found if view.operation.cause}


def failed_again(session: Session, operation_id: int) -> dict[Cause, int]:
    """The tenants of the operation that are failed now, counted by cause, the most first."""
    count = func.count()
    grouped = (
        select(Partition.cause, count)
        .where(Partition.operation_id == operation_id, Partition.state == PartitionState.FAILED)
        .group_by(Partition.cause)
        .order_by(count.desc(), Partition.cause)
    )
    return {cause: tenants for cause, tenants in session.execute(grouped) if cause}


def undispatched(session: Session, operation: Operation) -> int:
    """How many tenants of the operation wait for a job that Redis did not take.

    Those that a pause, a brake or a restore holds back wait for something else.
    """
    never = or_(Partition.dispatched_at.is_(None), Partition.dispatched_at < operation.asked_at)
    waits = and_(
        _waits(operation.id),
        Partition.dispatch_after.is_not(None),
        never,
        NOT_PAUSED,
        ~HELD,
        ~SUSPECTED,
    )
    return session.scalar(select(func.count()).select_from(Partition).where(waits)) or 0


def _waits(operation_id: int) -> ColumnElement[bool]:
    return and_(Partition.operation_id == operation_id, Partition.state == PartitionState.PENDING)


def counts_of(
    session: Session, operation_ids: Iterable[int]
) -> dict[int, dict[PartitionState, int]]:
    """The rows that each operation was the last to change, counted by state."""
    grouped = (
        select(Partition.operation_id, Partition.state, func.count())
        .where(Partition.operation_id.in_(list(operation_ids)))
        .group_by(Partition.operation_id, Partition.state)
    )
    counts: dict[int, dict[PartitionState, int]] = {}
    for operation_id, state, count in session.execute(grouped):
        counts.setdefault(operation_id or 0, {})[state] = count
    return counts


def views(session: Session, operations: Sequence[Operation]) -> list[View]:
    """The operations with their progress; one query."""
    moving = [each.id for each in operations if not _is_frozen(each)]
    counts = counts_of(session, moving) if moving else {}
    counts |= {each.id: _stored_counts(each) for each in operations if _is_frozen(each)}
    return [View(each, _progress(each, counts.get(each.id, {}))) for each in operations]


def _is_frozen(operation: Operation) -> bool:
    """Whether its counts are stored. A deletion goes on for days after it is settled."""
    is_settled = operation.state == OperationState.SETTLED
    return is_settled and operation.kind != OperationKind.DELETE


def _stored_counts(operation: Operation) -> dict[PartitionState, int]:
    ready, failed = operation.ready or 0, operation.failed or 0
    return {PartitionState.READY: ready, PartitionState.FAILED: failed}


def _progress(operation: Operation, counts: Counts) -> Progress:
    skipped = json.loads(operation.skipped)
    waiting = sum(counts.get(state, 0) for state in UNSETTLED)
    is_deletion = operation.kind == OperationKind.DELETE
    named = GONE if is_deletion else WAITING_OR_READY
    return Progress(
        total=operation.tenants,
        planned=operation.tenants - sum(skipped.values()),
        accepted=operation.accepted,
        skipped=skipped,
        waiting=waiting,
        ready=counts.get(PartitionState.READY, 0),
        failed=counts.get(PartitionState.FAILED, 0),
        removing=counts.get(PartitionState.REMOVING, 0),
        gone=counts.get(PartitionState.REMOVED, 0),
        elsewhere=max(operation.accepted - sum(counts.get(state, 0) for state in named), 0),
        finished=operation.accepted - (0 if is_deletion else waiting),
    )
