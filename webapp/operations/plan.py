"""What an operation would do: how many it would take, and why it would leave the others."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, false, func, or_
from sqlalchemy.orm import Session

from webapp.db.batching import batches
from webapp.models.causes import Cause
from webapp.models.operation import OperationKind
from webapp.models.partition import Partition
from webapp.models.states import GONE, PartitionState
from webapp.models.tenant import Tenant
from webapp.operations.selection import Selection
from webapp.partitions.requests import NOT_REQUESTED, STILL_THERE

# Which rows each kind can be done to at all.
CAN_TAKE: dict[OperationKind, ColumnElement[bool]] = {
    OperationKind.RETRY: Partition.state == PartitionState.FAILED,
    OperationKind.REQUEST: NOT_REQUESTED,
    OperationKind.DELETE: or_(NOT_REQUESTED, Partition.state.not_in(GONE)),
    OperationKind.RESTORE: STILL_THERE,
}

# Why a tenant is left alone, where its partition's state does not say it.
WITHOUT_REQUEST = "not_requested"
DROPPING = "dropping"
UNKNOWN = "unknown"
CHANGED = "changed"


@dataclass(frozen=True)
class Plan:
    """A dry run: of `total` tenants, so many would be taken, the others skipped by reason."""

    total: int
    accepted: int
    skipped: dict[str, int] = field(default_factory=dict)
    # For retries: what those that would be taken failed for, the most first.
    causes: dict[Cause, int] = field(default_factory=dict)

    @property
    def hopeless(self) -> dict[Cause, int]:
        """Those of the causes that no retry cures."""
        return {cause: count for cause, count in self.causes.items() if cause.is_hopeless}

    @property
    def is_hopeless(self) -> bool:
        """Whether a retry can help none of those that would be taken."""
        return bool(self.causes) and len(self.hopeless) == len(self.causes)


def plan(session: Session, kind: OperationKind, selection: Selection, asked_at: datetime) -> Plan:
    """Count what an operation would do, by one grouped query for every 500 numbers, or one."""
    total, skipped, causes = 0, Counter[str](), Counter[Cause]()
    for row in _counts(session, kind, selection, asked_at):
        total += row.tenants
        why_not = _why_not(kind, row)
        if why_not:
            skipped[why_not] += row.tenants
        elif kind == OperationKind.RETRY and row.cause:
            causes[row.cause] += row.tenants
    if selection.tenant_ids is not None and (unknown := len(selection.tenant_ids) - total):
        skipped[UNKNOWN] = unknown
        total += unknown
    accepted = total - skipped.total()
    return Plan(total, accepted, dict(skipped), dict(causes.most_common()))


def _counts(
    session: Session, kind: OperationKind, selection: Selection, asked_at: datetime
) -> Iterator[Any]:
    groups: list[Any] = [Partition.state, Partition.cause]
    # Only who is called back is asked for it: for all others an index has what is counted.
    has_begun: Any = false()
    if kind == OperationKind.RESTORE:
        has_begun = Partition.drop_began_at.is_not(None)
        groups.append(has_begun)
    what = (Partition.state, Partition.cause, has_begun.label("has_begun"))
    counted = selection.columns(*what, func.count().label("tenants")).group_by(*groups)
    for which in _whole(selection, asked_at):
        yield from session.execute(counted.where(which))


def _whole(selection: Selection, asked_at: datetime) -> list[ColumnElement[bool]]:
    if selection.tenant_ids is None:
        return [selection.matching(asked_at)]
    return [Tenant.id.in_(batch) for batch in batches(selection.tenant_ids)]


def _why_not(kind: OperationKind, row: Any) -> str | None:
    """Why the tenants of such a state are left alone; None where they are taken."""
    if kind == OperationKind.DELETE and row.state not in GONE:
        return None
    if kind == OperationKind.REQUEST and row.state is None:
        return None
    if kind == OperationKind.RETRY and row.state == PartitionState.FAILED:
        return None
    if kind == OperationKind.RESTORE and row.state == PartitionState.REMOVING:
        return DROPPING if row.has_begun else None
    return str(row.state) if row.state else WITHOUT_REQUEST


def next_ids(
    session: Session,
    kind: OperationKind,
    selection: Selection,
    *,
    asked_at: datetime,
    first: int,
    limit: int,
) -> Sequence[int]:
    """The next numbers that an operation takes, from `first` on, ascending."""
    number = selection.number
    chosen = selection.columns(number).where(CAN_TAKE[kind], number >= first)
    chosen = chosen.order_by(number).limit(limit)
    if selection.tenant_ids is None:
        return session.scalars(chosen.where(selection.matching(asked_at))).all()
    for batch in batches([number for number in selection.tenant_ids if number >= first]):
        if found := session.scalars(chosen.where(Tenant.id.in_(batch))).all():
            return found
    return []
