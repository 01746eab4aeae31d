"""Retention: what was pruned, and what keeps entries from being pruned."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.models.retention import PrunedTimeline, Retention


def pruned_timeline(session: Session, tenant_id: int) -> PrunedTimeline | None:
    """What was pruned of a tenant's timeline; None where it is whole."""
    return session.get(PrunedTimeline, tenant_id)


def stalled(session: Session) -> Sequence[Retention]:
    """The kinds of entries that cannot be pruned at present, since when and why."""
    failed = select(Retention).where(Retention.failed_at.is_not(None))
    return session.scalars(failed.order_by(Retention.failed_at)).all()
