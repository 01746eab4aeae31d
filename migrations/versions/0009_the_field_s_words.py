"""names of columns and tables that say what they are

Nothing but names changes, so it is quick whatever the number of tenants.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_partition_ring_at", "partition")
    op.execute("ALTER TABLE partition RENAME COLUMN ring_at TO dispatch_after")
    op.create_index("ix_partition_dispatch_after", "partition", ["dispatch_after"])
    _rename("sweep_turn", "leadership")


def downgrade() -> None:
    op.drop_index("ix_partition_dispatch_after", "partition")
    op.execute("ALTER TABLE partition RENAME COLUMN dispatch_after TO ring_at")
    op.create_index("ix_partition_ring_at", "partition", ["ring_at"])
    _rename("leadership", "sweep_turn")


def _rename(old: str, new: str) -> None:
    op.rename_table(old, new)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT pk_{old} TO pk_{new}")
