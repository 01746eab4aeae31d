"""the first and the last request of a need, and since when a tenant waits

`requested_at` was the last request of a person or of the drift check. It becomes the first request
of the need, which the timeline knows; without an entry it stays. While the migration runs, an
instance of the version before works on: it knows neither column, and the sweep of this version
completes what it writes.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from migrations.steps import add_column, create_index, drop_index, in_batches

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

AT_ONCE = 1_000
LATEST = """
    SELECT max(at) FROM partition_event AS entry
    WHERE entry.tenant_id = partition.tenant_id AND entry.event IN ({events})
"""
# `drift` in the timeline of a tenant that is not removed: it was found missing, and made again.
BEGINNINGS = ("requested", "restored", "drift")
REPEATS = ("retried", "reopened", "adopt_requested", "empty_requested")
# One after the other, since each reads what the one before it wrote. An entry is milliseconds
# younger than the request that it tells of.
CHANGES = (
    "last_requested_at = coalesce(({repeat} AND entry.at > requested_at), requested_at)",
    "requested_at = CASE WHEN ({beginning}) < requested_at THEN ({beginning})"
    " ELSE requested_at END",
    "waiting_since = CASE WHEN state IN ('pending', 'provisioning', 'failed') THEN requested_at"
    " END, ready_at = CASE WHEN state = 'ready' THEN state_since ELSE ready_at END",
)
UPDATE = "UPDATE partition SET {change} WHERE tenant_id BETWEEN :first AND :last"
WAITING = """
    partition (state, waiting_since, tenant_id, last_requested_at, requested_at)
    WHERE waiting_since IS NOT NULL
"""
BY_CAUSE = "partition (state, cause, waiting_since, tenant_id, state_since)"
BY_CAUSE_BEFORE = "partition (state, cause, state_since, tenant_id)"


def upgrade() -> None:
    for name in ("last_requested_at", "waiting_since"):
        add_column("partition", sa.Column(name, sa.DateTime(timezone=True)))
    texts = {"beginning": _latest(BEGINNINGS), "repeat": _latest(REPEATS)}
    for change in CHANGES:
        in_batches(UPDATE.format(change=change.format(**texts)), "partition", "tenant_id", AT_ONCE)
    create_index("ix_partition_waiting", WAITING)
    drop_index("ix_partition_state_cause")
    create_index("ix_partition_state_cause", BY_CAUSE)


def downgrade() -> None:
    drop_index("ix_partition_state_cause")
    create_index("ix_partition_state_cause", BY_CAUSE_BEFORE)
    drop_index("ix_partition_waiting")
    op.execute("UPDATE partition SET requested_at = coalesce(last_requested_at, requested_at)")
    for name in ("last_requested_at", "waiting_since"):
        op.drop_column("partition", name)


def _latest(events: tuple[str, ...]) -> str:
    return LATEST.format(events=", ".join(f"'milvus.partition.{each}'" for each in events))
