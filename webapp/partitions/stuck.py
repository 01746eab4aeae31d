"""The one rule for stuck partitions: more time has passed than they can need."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_

from webapp.db.types import utc_now
from webapp.halts import brake_state, restored_state
from webapp.halts.brake_state import BrakeState
from webapp.halts.pause_state import PauseState, excused
from webapp.halts.restored_state import RestoredState
from webapp.models.partition import Partition
from webapp.models.states import UNSETTLED, PartitionState
from webapp.partitions.policy import Policy

# The tolerance beyond all attempts with their pauses, or beyond a drop.
MARGIN = timedelta(minutes=5)


def is_stuck(
    partition: Partition,
    policy: Policy,
    last_pause: PauseState | None = None,
    brakes: Iterable[BrakeState] = (),
    restored: RestoredState | None = None,
) -> bool:
    """True where the last request or a removal has not ended in time.

    None is stuck during a pause, a brake of its collection or before a restore is acknowledged, nor
    until the time has passed again after one.
    """
    mine = [each for each in brakes if each.collection == partition.collection]
    halts = [last_pause, restored, *mine]
    if any(halt and halt.excuses(_requested_before(policy)) for halt in halts):
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
    others = or_(brake_state.excused(before), restored_state.excused(before))
    return and_(late, ~excused(before), ~others)


def _requested_before(policy: Policy) -> datetime:
    return utc_now() - policy.attempts * (policy.lease + policy.backoff) - MARGIN


def _due_before() -> datetime:
    return utc_now() - MARGIN
