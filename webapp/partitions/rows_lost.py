"""The mark of partitions that were lost and made again: their rows may be lost."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_

from webapp.db.session import UnitOfWork
from webapp.models.audit import Actor
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.partitions import events
from webapp.partitions.cas import change
from webapp.partitions.requests import ROWS_LOST

# Before the partition is there again, its loss is not over.
MAY_BE_ACKNOWLEDGED: ColumnElement[bool] = and_(ROWS_LOST, Partition.state == PartitionState.READY)


def acknowledge(
    session: UnitOfWork, which: ColumnElement[bool], actor: Actor
) -> Sequence[Partition]:
    """Take the mark off: an operator has seen to these tenants' rows. Returns their partitions."""
    rows = change(session, and_(which, MAY_BE_ACKNOWLEDGED), {"rows_lost_at": None})
    events.record_each(session, rows, events.ACKNOWLEDGED, actor=actor.name)
    return rows
