"""names of columns and tables that say what they are

Nothing but names changes, so it is quick whatever the number of tenants.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

from migrations.steps import on_postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rename_column("ring_at", "dispatch_after")
    _rename("sweep_turn", "leadership")


def downgrade() -> None:
    _rename_column("dispatch_after", "ring_at")
    _rename("leadership", "sweep_turn")


def _rename_column(old: str, new: str) -> None:
    op.execute(f"ALTER TABLE partition RENAME COLUMN {old} TO {new}")
    if on_postgresql():
        op.execute(f"ALTER INDEX ix_partition_{old} RENAME TO ix_partition_{new}")
    else:
        # SQLite renames no index.
        op.drop_index(f"ix_partition_{old}", "partition")
        op.create_index(f"ix_partition_{new}", "partition", [new])


def _rename(old: str, new: str) -> None:
    op.rename_table(old, new)
    if on_postgresql():
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT pk_{old} TO pk_{new}")
