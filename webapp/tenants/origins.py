"""How a wish began: the entry of the timeline that opened it."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.tenants import timeline
from webapp.tenants.models import Partition, PartitionEvent

OPENINGS = frozenset(
    {
        timeline.REQUESTED,
        timeline.RETRIED,
        timeline.REOPENED,
        timeline.ADOPT_REQUESTED,
        timeline.EMPTY_REQUESTED,
        timeline.DRIFT,
        timeline.RESTORED,
        timeline.REMOVING,
    }
)


def origin_in(events: Sequence[PartitionEvent], generation: int | None) -> PartitionEvent | None:
    """What opened the wish, among these events, newest first; None where it is not one of them."""
    of_wish = [event for event in events if event.generation == generation]
    if of_wish and of_wish[-1].event in OPENINGS:
        return of_wish[-1]
    return None


def origin_of(session: Session, partition: Partition) -> PartitionEvent | None:
    """What opened the partition's wish of now, looked for from the newest event on."""
    return session.scalar(
        select(PartitionEvent)
        .where(
            PartitionEvent.tenant_id == partition.tenant_id,
            PartitionEvent.generation == partition.generation,
            PartitionEvent.event.in_(OPENINGS),
        )
        .order_by(PartitionEvent.id.desc())
        .limit(1)
    )
