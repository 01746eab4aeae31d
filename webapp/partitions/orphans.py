"""What an operator decides about orphans, the partitions in Milvus that no tenant has.

The decision to keep one is stored at once. A count or a drop is a request, which the process that
holds Milvus fulfils: `jobs.drift.orphans`.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from webapp.audit import log as audit
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.errors import BeingDropped, NotDroppable, OrphanBusy, OrphanNotFound
from webapp.halts.brake_state import brakes
from webapp.halts.pause_state import is_paused
from webapp.halts.restored_state import are_drops_held
from webapp.idempotency import WITHOUT_KEY, Idempotency
from webapp.models.audit import Actor
from webapp.models.naming import MAX_TENANT_ID, number_in
from webapp.models.observed import ObservedCollection, PartitionDrift
from webapp.models.orphan import OrphanRequest
from webapp.models.partition import Partition
from webapp.models.states import DriftKind, OrphanAction, PartitionState
from webapp.partitions.drift import IS_THERE
from webapp.partitions.pause import checked_reason
from webapp.texts import N_, is_storable

# The kinds of findings that are decided here.
KINDS = (DriftKind.ORPHAN, DriftKind.ACKNOWLEDGED, DriftKind.OTHER)
SHOWN_AT_MOST = 1_000

# Why an orphan is not dropped.
PAUSED = N_("provisioning is paused")
BRAKED = N_("a brake holds this collection back")
RESTORED = N_("the database was restored, and that is not acknowledged")
HAS_TENANT = N_("a tenant has its number")
MOVED = N_("the alias stands for another collection now")
RESTORED_SINCE = N_("the database was restored since it was requested")
TOO_OLD = N_("the request waited for too long")
NOT_TYPED = N_("what was typed is not its name")

UNFINISHED: ColumnElement[bool] = OrphanRequest.finished_at.is_(None)


class Orphans:
    """Decisions about orphans that the last comparison found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(
        self,
        collection: str,
        partition: str,
        *,
        actor: Actor,
        idempotency: Idempotency = WITHOUT_KEY,
    ) -> OrphanRequest:
        """Request a fresh count of its rows. The same as an unfinished request changes nothing.

        Raises:
            OrphanNotFound, OrphanBusy: see there.
            Repeated: see `Idempotency`.
        """
        with self._database.transaction() as session:
            idempotency.begin(session)
            orphan = find_orphan(session, collection, partition)
            request = _request(session, orphan, OrphanAction.COUNT, actor)
            idempotency.finish(session, request)
        return request

    def drop(
        self,
        collection: str,
        partition: str,
        typed: str,
        *,
        actor: Actor,
        idempotency: Idempotency = WITHOUT_KEY,
    ) -> OrphanRequest:
        """Request its drop with all rows in it, which is final. `typed` must be its name.

        Raises:
            OrphanNotFound, OrphanBusy, NotDroppable: see there.
            Repeated: see `Idempotency`.
        """
        if typed != partition:
            raise NotDroppable(partition, NOT_TYPED)
        with self._database.transaction() as session:
            idempotency.begin(session)
            orphan = find_orphan(session, collection, partition)
            if reason := why_not_droppable(session, collection, partition):
                raise NotDroppable(partition, reason)
            request = _request(session, orphan, OrphanAction.DROP, actor)
            idempotency.finish(session, request)
        return request

    def acknowledge(
        self,
        collection: str,
        partition: str,
        reason: str | None = None,
        *,
        actor: Actor,
        idempotency: Idempotency = WITHOUT_KEY,
    ) -> PartitionDrift:
        """Keep it: it is no drift any more. Idempotent: the first reason stays.

        Raises:
            InvalidField: the reason is too long, or has characters that are not allowed.
            OrphanNotFound, OrphanBusy: see there.
            Repeated: see `Idempotency`.
        """
        reason = checked_reason(reason)
        decided = {"acknowledged_by": actor.signature, "acknowledged_reason": reason}
        with self._database.transaction() as session:
            idempotency.begin(session)
            orphan = find_orphan(session, collection, partition)
            refuse_while_dropped(session, [partition], OrphanBusy)
            if orphan.kind != DriftKind.ACKNOWLEDGED:
                _set(orphan, DriftKind.ACKNOWLEDGED, acknowledged_at=utc_now(), **decided)
                _audit(session, "acknowledge", orphan, actor, {"reason": reason})
            idempotency.finish(session, orphan)
        return orphan

    def take_back(
        self,
        collection: str,
        partition: str,
        *,
        actor: Actor,
        idempotency: Idempotency = WITHOUT_KEY,
    ) -> PartitionDrift:
        """Take the decision to keep it back. Idempotent.

        Raises:
            OrphanNotFound: see there.
            Repeated: see `Idempotency`.
        """
        with self._database.transaction() as session:
            idempotency.begin(session)
            orphan = find_orphan(session, collection, partition)
            if orphan.kind == DriftKind.ACKNOWLEDGED:
                decided = dict.fromkeys(("acknowledged_by", "acknowledged_reason"))
                _set(orphan, unacknowledged(partition), acknowledged_at=None, **decided)
                _audit(session, "take_back", orphan, actor)
            idempotency.finish(session, orphan)
        return orphan


def unacknowledged(partition: str) -> DriftKind:
    """The kind of a partition of no tenant that no operator has decided to keep."""
    return DriftKind.OTHER if number_in(partition) is None else DriftKind.ORPHAN


def find_orphan(session: Session, collection: str, partition: str) -> PartitionDrift:
    """The finding, locked until the transaction ends; raises OrphanNotFound without one."""
    orphan = None
    if is_storable(collection) and is_storable(partition):
        key = (collection, partition)
        orphan = session.get(PartitionDrift, key, with_for_update=True)
    if orphan is None or orphan.kind not in KINDS:
        raise OrphanNotFound(collection, partition)
    return orphan


def list_orphans(session: Session, limit: int = SHOWN_AT_MOST) -> Sequence[PartitionDrift]:
    """The orphans of the last comparisons in collections that exist, by collection and number."""
    statement = select(PartitionDrift).where(PartitionDrift.kind.in_(KINDS), IS_THERE)
    order = (PartitionDrift.collection, PartitionDrift.number, PartitionDrift.partition)
    return session.scalars(statement.order_by(*order).limit(limit)).all()


def list_requests(session: Session, limit: int = SHOWN_AT_MOST) -> Sequence[OrphanRequest]:
    """The last request about each orphan, the newest first."""
    newest = select(OrphanRequest).order_by(OrphanRequest.asked_at.desc()).limit(limit)
    return session.scalars(newest).all()


def why_not_droppable(session: Session, collection: str, partition: str) -> str | None:
    """Why it may not be dropped now, as far as the database knows; None where it may."""
    seen = session.get(ObservedCollection, collection)
    if is_paused(session):
        return PAUSED
    if are_drops_held(session):
        return RESTORED
    if any(brake.collection == collection for brake in brakes(session)):
        return BRAKED
    if has_tenant(session, partition):
        return HAS_TENANT
    return MOVED if seen is not None and seen.moved_to else None


def has_tenant(session: Session, partition: str) -> bool:
    """Whether a tenant that is not removed has the number in the name.

    In any collection: two names may stand for one.
    """
    number = number_in(partition)
    if number is None or number > MAX_TENANT_ID:
        return False
    lives = or_(Partition.state.is_(None), Partition.state != PartitionState.REMOVED)
    mine = select(Partition.tenant_id).where(Partition.tenant_id == number, lives)
    return session.scalar(mine) is not None


def refuse_while_dropped(
    session: Session, partitions: Collection[str], refusal: Any = BeingDropped
) -> None:
    """Raise the refusal where the drop of one of these is requested and not finished.

    After the insert of tenants with given numbers: a drop that began before is seen then, and one
    that begins later sees the tenants.
    """
    dropping = select(OrphanRequest.partition).where(
        and_(UNFINISHED, OrphanRequest.action == OrphanAction.DROP)
    )
    if found := set(session.scalars(dropping)).intersection(partitions):
        raise refusal(min(found))


def _request(
    session: Any, orphan: PartitionDrift, action: OrphanAction, actor: Actor
) -> OrphanRequest:
    before = session.get(OrphanRequest, (orphan.collection, orphan.partition))
    if before is not None and before.finished_at is None:
        if before.action != action:
            raise OrphanBusy(orphan.partition)
        unfinished: OrphanRequest = before
        return unfinished
    if before is not None:
        session.delete(before)
        session.flush()
    request = OrphanRequest(
        collection=orphan.collection, partition=orphan.partition, action=action, **actor.columns
    )
    session.add(request)
    session.flush()
    _audit(session, action, orphan, actor)
    return request


def _set(orphan: PartitionDrift, kind: DriftKind, **decided: Any) -> None:
    orphan.kind = kind
    for name, value in decided.items():
        setattr(orphan, name, value)


def _audit(
    session: Any, verb: str, orphan: PartitionDrift, actor: Actor, after: Any = audit.NOTHING
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"orphan.{verb}",
        target=f"partition {orphan.partition}",
        before=audited(orphan),
        after=after,
    )


def audited(orphan: PartitionDrift) -> dict[str, Any]:
    """What the audit says of an orphan before a decision."""
    counted_at = orphan.counted_at and orphan.counted_at.isoformat()
    place = {"collection": orphan.collection, "partition": orphan.partition}
    return {**place, "rows": orphan.rows, "counted_at": counted_at}
