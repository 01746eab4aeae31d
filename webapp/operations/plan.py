"""The plan of an operation: how many tenants it would change, and why not the others."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select
from sqlalchemy.orm import Session

from webapp.db.batching import batches
from webapp.db.types import utc_now
from webapp.models.causes import Cause
from webapp.models.operation import Operation, OperationKind
from webapp.models.partition import Partition
from webapp.models.states import GONE, PartitionState
from webapp.models.tenant import Tenant
from webapp.operations.selection import Selection
from webapp.partitions.requests import IS_IMPORTED, NOT_REQUESTED, STILL_THERE
from webapp.partitions.rows_lost import MAY_BE_ACKNOWLEDGED

# The rows that each kind can change.
CAN_TAKE: dict[OperationKind, ColumnElement[bool]] = {
    OperationKind.RETRY: Partition.state == PartitionState.FAILED,
    OperationKind.REQUEST: NOT_REQUESTED,
    OperationKind.DELETE: or_(NOT_REQUESTED, Partition.state.not_in(GONE)),
    OperationKind.RESTORE: STILL_THERE,
    OperationKind.ACKNOWLEDGE: MAY_BE_ACKNOWLEDGED,
}
TRANSIENT = [cause for cause in Cause if cause.is_transient]


@dataclass(frozen=True)
class Asked:
    """The request of an operation: before it is stored, and for each batch."""

    kind: OperationKind
    selection: Selection
    at: datetime
    adopt: bool = False

    @classmethod
    def of(cls, operation: Operation) -> "Asked":
        selection = Selection.from_json(operation.selection)
        return cls(operation.kind, selection, operation.asked_at, operation.adopt)

    @property
    def adopts(self) -> ColumnElement[bool]:
        """The condition on tenants whose pre-existing rows are adopted.

        Without numbers, imported tenants alone: a new tenant has no rows of its own.
        """
        return and_(literal(self.adopt), literal(self.is_by_number) | IS_IMPORTED)

    @property
    def is_by_number(self) -> bool:
        """Whether numbers are given in place of a filter."""
        return self.selection.tenant_ids is not None

    @property
    def can_take(self) -> ColumnElement[bool]:
        """The condition on the rows that it changes.

        A backfill also dispatches requests that wait without a job: due, or dispatched since the
        operation was asked. It retries a permanent failure only where its number is given.
        """
        if self.kind != OperationKind.BACKFILL:
            return and_(CAN_TAKE[self.kind], *self._of_cause())
        helped = or_(
            literal(self.is_by_number),
            Partition.cause.in_(TRANSIENT),
            and_(Partition.cause == Cause.FOREIGN_DATA, self.adopts),
        )
        due = or_(Partition.dispatch_after <= utc_now(), Partition.dispatched_at >= self.at)
        return or_(
            NOT_REQUESTED,
            and_(Partition.state == PartitionState.FAILED, helped),
            and_(Partition.state == PartitionState.PENDING, due),
        )

    def _of_cause(self) -> list[ColumnElement[bool]]:
        """The cause as a further condition on numbers; a filter has it already."""
        cause = self.selection.cause if self.is_by_number else None
        return [Partition.cause == cause] if cause else []


# Why a tenant is skipped, where its partition's state is not the reason.
WITHOUT_REQUEST = "not_requested"
DROPPING = "dropping"
WAITING = "waiting"
PERMANENT = "failed_permanently"
OTHER_CAUSE = "other_cause"
UNKNOWN = "unknown"
NOTHING_LOST = "nothing_lost"
CHANGED = "changed"
REASONS = {
    (OperationKind.ACKNOWLEDGE, PartitionState.READY): NOTHING_LOST,
    (OperationKind.RESTORE, PartitionState.REMOVING): DROPPING,
    (OperationKind.RETRY, PartitionState.FAILED): OTHER_CAUSE,
    (OperationKind.BACKFILL, PartitionState.FAILED): PERMANENT,
    (OperationKind.BACKFILL, PartitionState.PENDING): WAITING,
}


@dataclass(frozen=True)
class Plan:
    """A dry run: of `total` tenants, `accepted` would be changed, the others skipped by reason."""

    total: int
    accepted: int
    skipped: dict[str, int] = field(default_factory=dict)
    # Of a retry: the accepted by the cause of their failure, the most first.
    causes: dict[Cause, int] = field(default_factory=dict)

    def taking(self, lost: int) -> "Plan":
        """The plan with `lost` more, whose job is gone from Redis."""
        waiting = self.skipped.get(WAITING, 0) - lost
        skipped = self.skipped | {WAITING: waiting}
        if not waiting:
            del skipped[WAITING]
        return replace(self, accepted=self.accepted + lost, skipped=skipped) if lost else self

    @property
    def hopeless(self) -> dict[Cause, int]:
        return {cause: count for cause, count in self.causes.items() if cause.is_hopeless}

    @property
    def is_hopeless(self) -> bool:
        return bool(self.causes) and len(self.hopeless) == len(self.causes)


def plan(session: Session, asked: Asked) -> Plan:
    """Count what an operation would do: one grouped query, or one for every 500 numbers."""
    total, skipped, causes = 0, Counter[str](), Counter[Cause]()
    for row in _counts(session, asked):
        total += row.tenants
        if not row.is_taken:
            skipped[_why_not(asked, row)] += row.tenants
        elif asked.kind == OperationKind.RETRY and row.cause:
            causes[row.cause] += row.tenants
    if asked.selection.tenant_ids and (unknown := len(asked.selection.tenant_ids) - total):
        skipped[UNKNOWN] = unknown
        total += unknown
    accepted = total - skipped.total()
    return Plan(total, accepted, dict(skipped), dict(causes.most_common()))


def _counts(session: Session, asked: Asked) -> Iterator[Any]:
    groups = (Partition.state, Partition.cause)
    is_taken = asked.can_take.label("is_taken")
    counted = asked.selection.columns(*groups, is_taken, func.count().label("tenants"))
    counted = counted.group_by(*groups, "is_taken")
    for which in _whole(asked):
        yield from session.execute(counted.where(which))


def _whole(asked: Asked) -> list[ColumnElement[bool]]:
    """The selection as conditions, each short enough for one statement."""
    selection = asked.selection
    if selection.tenant_ids is not None:
        return [Tenant.id.in_(batch) for batch in batches(selection.tenant_ids)]
    matching = selection.matching(asked.at)
    if asked.kind == OperationKind.BACKFILL:
        # Ready partitions are not reported as skipped.
        matching = and_(
            matching, or_(NOT_REQUESTED, Partition.state.not_in([*GONE, PartitionState.READY]))
        )
    return [matching]


def _why_not(asked: Asked, row: Any) -> str:
    if row.state is None:
        return WITHOUT_REQUEST
    return REASONS.get((asked.kind, row.state), str(row.state))


def next_ids(session: Session, asked: Asked, first: int, limit: int) -> Sequence[int]:
    """The next numbers that an operation changes, from `first` on, ascending."""
    number = asked.selection.number
    statement = asked.selection.columns(number).where(asked.can_take, number >= first)
    statement = statement.order_by(number).limit(limit)
    if asked.selection.tenant_ids is None:
        return session.scalars(statement.where(asked.selection.matching(asked.at))).all()
    for batch in batches([number for number in asked.selection.tenant_ids if number >= first]):
        if ids := session.scalars(statement.where(Tenant.id.in_(batch))).all():
            return ids
    return []


def waiting_jobs(session: Session, asked: Asked) -> dict[int, str]:
    """The jobs of requests in the selection that are dispatched and not claimed."""
    columns = asked.selection.columns(asked.selection.number, Partition.job_id)
    waits = and_(
        Partition.state == PartitionState.PENDING,
        Partition.dispatch_after.is_(None),
        Partition.job_id.is_not(None),
    )
    return {
        number: job_id
        for which in _whole(asked)
        for number, job_id in session.execute(columns.where(which, waits))
    }


def first_unknown(session: Session, numbers: Sequence[int]) -> int | None:
    """The lowest of the numbers that no tenant has; None where there is none."""
    for batch in batches(sorted(set(numbers))):
        known = set(session.scalars(select(Tenant.id).where(Tenant.id.in_(batch))))
        if unknown := set(batch) - known:
            return min(unknown)
    return None
