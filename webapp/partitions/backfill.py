"""Provisioning for the imported tenants: requests for those that have none, in chunks."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, and_, case, exists, func, literal, or_, select

from webapp.audit import entries as audit_entries
from webapp.db.batching import batches
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.errors import TenantNotFound
from webapp.models.audit import Actor
from webapp.models.causes import Cause
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.states import IfExists, PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions import events
from webapp.partitions.cas import change
from webapp.partitions.dispatcher import Dispatcher, reserve
from webapp.partitions.policy import Policy
from webapp.partitions.requests import (
    BACKFILLED,
    NOT_REQUESTED,
    dispatch_of,
    first_entry,
    request_again,
    request_first,
)
from webapp.partitions.summary import Adopted, adopted
from webapp.queue.job_queue import Dispatch, DispatchError, JobQueue

IF_EXISTS = cast(Table, Partition.__table__).columns["if_exists"].type
FIRST_REQUEST_BY_BACKFILL = exists().where(
    PartitionEvent.tenant_id == Tenant.id,
    PartitionEvent.event == events.REQUESTED,
    PartitionEvent.message == BACKFILLED,
)

UNSETTLED = (PartitionState.PENDING, PartitionState.PROVISIONING)


@dataclass(frozen=True)
class Plan:
    """What a backfill would do: the tenants to dispatch, and why others are left alone.

    Rows that are there already are adopted for those in `adopting` alone.
    """

    tenant_ids: list[int]
    skipped: dict[str, int] = field(default_factory=dict)
    adopting: frozenset[int] = frozenset()


class Backfill:
    """Finds the tenants that lack a partition, and dispatches them on the backfill's queue."""

    def __init__(
        self, database: Database, job_queue: JobQueue, dispatcher: Dispatcher, policy: Policy
    ) -> None:
        self._database = database
        self._job_queue = job_queue
        self._dispatcher = dispatcher
        self._policy = policy

    def plan(self, tenant_ids: Sequence[int] | None = None, *, adopt: bool = False) -> Plan:
        """Find whom to dispatch; without numbers: everyone whom it can help.

        That is: without a request, waiting without a live job, or failed of a transient cause.
        A permanent failure is tried again only where its number is given.

        With `adopt`, rows that imported tenants have in their partitions are taken for theirs,
        so those that failed for such rows are helped, too. A tenant that signed up is not of
        before, and adopts nothing unless its number is given.

        Raises:
            TenantNotFound: one of the numbers is nobody's.
        """
        chosen, waiting, skipped = [], {}, Counter[str]()
        adopting = set()
        for row in self._rows(tenant_ids):
            adopts = adopt and (row.is_imported or tenant_ids is not None)
            if adopts:
                adopting.add(row.id)
            why_not = _why_not(row, asked_for=tenant_ids is not None, adopts=adopts)
            if why_not == "waiting" and row.dispatch_after is None:
                waiting[row.id] = row.job_id
            elif why_not is None:
                chosen.append(row.id)
            else:
                skipped[why_not] += 1
        lost = self._without_live_job(waiting)
        skipped["waiting"] += len(waiting) - len(lost)
        chosen += lost
        return Plan(sorted(chosen), dict(+skipped), frozenset(adopting.intersection(chosen)))

    def _rows(self, tenant_ids: Sequence[int] | None) -> Iterator[Any]:
        columns = select(
            Tenant.id,
            Tenant.deleted_at,
            Partition.state,
            Partition.cause,
            Partition.dispatch_after,
            Partition.job_id,
            or_(NOT_REQUESTED, FIRST_REQUEST_BY_BACKFILL).label("is_imported"),
        ).join(Partition)
        with self._database.reading() as session:
            if tenant_ids is None:
                living = columns.where(
                    Tenant.deleted_at.is_(None),
                    or_(Partition.state.is_(None), Partition.state != PartitionState.READY),
                )
                yield from session.execute(living.order_by(Tenant.id))
                return
            for batch in batches(sorted(set(tenant_ids))):
                rows = session.execute(columns.where(Tenant.id.in_(batch))).all()
                for missing in sorted(set(batch) - {row.id for row in rows}):
                    raise TenantNotFound(missing)
                yield from rows

    def _without_live_job(self, waiting: dict[int, str | None]) -> list[int]:
        try:
            live = self._job_queue.live({job for job in waiting.values() if job})
        except DispatchError:
            return []
        return [tenant_id for tenant_id, job_id in waiting.items() if job_id not in live]

    def dispatch(
        self,
        tenant_ids: Sequence[int],
        *,
        actor: Actor,
        progress: Callable[[int], None],
        adopting: frozenset[int] = frozenset(),
    ) -> tuple[int, bool]:
        """Make the requests and dispatch them, chunk by chunk; `progress` gets each chunk's size.

        Returns how many were requested, and whether Redis took every dispatch. Where it did not,
        the requests stand and the reconciler dispatches later.
        """
        requested, all_dispatched = 0, True
        self._record_audit(tenant_ids, len(adopting), actor)
        for chunk in batches(tenant_ids, self._policy.chunk_size):
            dispatches = self._request(chunk, adopting.intersection(chunk), actor)
            if dispatches:
                all_dispatched &= self._dispatcher.dispatch_chunk(dispatches)
            requested += len(dispatches)
            progress(len(chunk))
        return requested, all_dispatched

    def _record_audit(self, tenant_ids: Sequence[int], adopting: int, actor: Actor) -> None:
        """Say who asked before the first chunk: whatever comes between, it is known."""
        if not tenant_ids:
            return
        with self._database.transaction() as session:
            audit_entries.backfilled(session, tenant_ids, adopting, actor)

    def _request(
        self, tenant_ids: Sequence[int], adopting: frozenset[int], actor: Actor
    ) -> list[Dispatch]:
        now = utc_now()
        mine = Partition.tenant_id.in_(tenant_ids)
        with self._database.transaction() as session:
            decided = _if_exists(adopting)
            fresh = request_first(session, mine, self._policy, now, if_exists=decided)
            again = request_again(session, mine, self._policy.attempts, now, if_exists=decided)
            if adopting:
                waiting = Partition.state == PartitionState.PENDING
                ours = Partition.tenant_id.in_(adopting)
                change(session, and_(ours, waiting), {"if_exists": IfExists.ADOPT})
            entries = [first_entry(row, actor.name) for row in fresh]
            entries += [events.entry_of(row, events.RETRIED, actor=actor.name) for row in again]
            events.record(session, entries)
            requested = [row.tenant_id for row in (*fresh, *again)]
            lost = and_(
                mine,
                Partition.tenant_id.not_in(requested),
                or_(Partition.dispatch_after.is_(None), Partition.dispatch_after <= now),
            )
            dispatches = [dispatch_of(row) for row in (*fresh, *again)]
            dispatches += reserve(session, lost, limit=len(tenant_ids))
        return dispatches

    def states(self, tenant_ids: Sequence[int]) -> Counter[str]:
        """How many of these tenants are in which state now."""
        counts = Counter[str]()
        counted = select(Partition.state, func.count()).group_by(Partition.state)
        with self._database.reading() as session:
            for batch in batches(tenant_ids):
                for state, count in session.execute(counted.where(Partition.tenant_id.in_(batch))):
                    counts[state] += count
        return counts

    def adopted(self, tenant_ids: Sequence[int]) -> Adopted:
        """How many of these tenants took pre-existing rows for theirs, and how many rows."""
        with self._database.reading() as session:
            parts = [
                adopted(session, Partition.tenant_id.in_(batch)) for batch in batches(tenant_ids)
            ]
        return Adopted(sum(part.tenants for part in parts), sum(part.rows for part in parts))

    def foreign(self, tenant_ids: Sequence[int]) -> int:
        """How many of these tenants failed for rows that may be somebody else's."""
        failed = select(func.count()).where(
            Partition.state == PartitionState.FAILED, Partition.cause == Cause.FOREIGN_DATA
        )
        with self._database.reading() as session:
            return sum(
                session.scalar(failed.where(Partition.tenant_id.in_(batch))) or 0
                for batch in batches(tenant_ids)
            )

    def unsettled(self, tenant_ids: Sequence[int]) -> list[int]:
        """Those of the tenants whose request is still on its way."""
        still = select(Partition.tenant_id).where(Partition.state.in_(UNSETTLED))
        with self._database.reading() as session:
            return [
                number
                for batch in batches(tenant_ids)
                for number in session.scalars(still.where(Partition.tenant_id.in_(batch)))
            ]


def _if_exists(adopting: frozenset[int]) -> ColumnElement[IfExists]:
    """One expression for all, or two backfills could lock the same rows crosswise."""
    adopt, refuse = (literal(value, IF_EXISTS) for value in (IfExists.ADOPT, IfExists.REFUSE))
    return case((Partition.tenant_id.in_(adopting), adopt), else_=refuse)


def _why_not(row: Any, *, asked_for: bool, adopts: bool) -> str | None:
    """Why a tenant is left alone, or None when it is dispatched."""
    if row.deleted_at is not None:
        return str(PartitionState.REMOVING)
    if row.state is None:
        return None
    if row.state == PartitionState.PENDING:
        return (
            None
            if row.dispatch_after is not None and row.dispatch_after <= utc_now()
            else "waiting"
        )
    if row.state == PartitionState.FAILED:
        helped = row.cause.is_transient or (adopts and row.cause == Cause.FOREIGN_DATA)
        return None if asked_for or helped else "failed_permanently"
    return str(row.state)
