"""The one rule for stuck partitions: more time has passed than they can need."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_

from webapp.db.types import utc_now
from webapp.models.partition import Partition
from webapp.models.states import UNSETTLED, PartitionState
from webapp.partitions.pause_state import PauseState, excused
from webapp.partitions.policy import Policy

# The tolerance beyond all attempts with their pauses, or beyond a drop.
MARGIN = timedelta(minutes=5)


def is_stuck(partition: Partition, policy: Policy, last_pause: PauseState | None = None) -> bool:
    """True where the last request or a removal has not ended in time.

    None is stuck during a pause, nor until the time has passed again after one.
    """
    if last_pause and last_pause.excuses(_requested_before(policy)):
        return False
    if partition.state in UNSETTLED:
        return (partition.last_requested_at or partition.requested_at) < _requested_before(policy)
    if partition.state == PartitionState.REMOVING:
        due = [at for at in (partition.remove_at, partition.drop_began_at) if at is not None]
        return any(at < _due_before() for at in due)
    return False


def stuck(policy: Policy) -> ColumnElement[bool]:
    """The same rule as a condition on rows, over the indexes of what waits and what is due."""
    before = _requested_before(policy)
    late = or_(
        # None waits less than its last request: the first condition narrows by the index.
        and_(
            Partition.state.in_(UNSETTLED),
            Partition.waiting_since < before,
            Partition.last_requested_at < before,
        ),
        and_(
            Partition.state == PartitionState.REMOVING,
            # A drop that fails moves `remove_at` on, but not when it first began.
            or_(Partition.remove_at < _due_before(), Partition.drop_began_at < _due_before()),
        ),
    )
    return and_(late, ~excused(before))


def _requested_before(policy: Policy) -> datetime:
    return utc_now() - policy.attempts * (policy.lease + policy.backoff) - MARGIN


def _due_before() -> datetime:
    return utc_now() - MARGIN
