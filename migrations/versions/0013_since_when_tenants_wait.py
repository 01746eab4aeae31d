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
UPDATE = "UPDATE partition SET {change} WHERE tenant_id > :after AND tenant_id <= :until"
NEXT = """
    SELECT tenant_id FROM partition WHERE tenant_id > :after ORDER BY tenant_id LIMIT :at_once
"""
WAITING_INDEX = ("state", "waiting_since", "tenant_id", "last_requested_at", "requested_at")
BY_CAUSE = ("state", "cause", "waiting_since", "tenant_id", "state_since")


def upgrade() -> None:
    for name in ("last_requested_at", "waiting_since"):
        op.add_column("partition", sa.Column(name, sa.DateTime(timezone=True)))
    _fill()
    where = sa.text("waiting_since IS NOT NULL")
    op.create_index(
        "ix_partition_waiting",
        "partition",
        list(WAITING_INDEX),
        sqlite_where=where,
        postgresql_where=where,
    )
    op.drop_index("ix_partition_state_cause", "partition")
    op.create_index("ix_partition_state_cause", "partition", list(BY_CAUSE))


def downgrade() -> None:
    op.drop_index("ix_partition_state_cause", "partition")
    before = ["state", "cause", "state_since", "tenant_id"]
    op.create_index("ix_partition_state_cause", "partition", before)
    op.drop_index("ix_partition_waiting", "partition")
    op.execute("UPDATE partition SET requested_at = coalesce(last_requested_at, requested_at)")
    for name in ("last_requested_at", "waiting_since"):
        op.drop_column("partition", name)


def _fill() -> None:
    connection, after = op.get_bind(), 0
    texts = {"beginning": _latest(BEGINNINGS), "repeat": _latest(REPEATS)}
    while numbers := connection.scalars(sa.text(NEXT), {"after": after, "at_once": AT_ONCE}).all():
        batch = {"after": after, "until": numbers[-1]}
        for change in CHANGES:
            connection.execute(sa.text(UPDATE.format(change=change.format(**texts))), batch)
        after = numbers[-1]


def _latest(events: tuple[str, ...]) -> str:
    return LATEST.format(events=", ".join(f"'milvus.partition.{each}'" for each in events))
