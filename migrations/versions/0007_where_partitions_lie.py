"""where partitions lie: the collection itself behind a name that may be an alias

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Not in batches: SQLite would copy the tables, and adds and drops such columns by itself.


def upgrade() -> None:
    op.add_column("observed_collection", sa.Column("real_name", sa.String(length=255)))
    op.add_column("observed_collection", sa.Column("collection_id", sa.BigInteger()))
    op.add_column("observed_collection", sa.Column("moved_to", sa.String(length=255)))
    op.add_column("departure", sa.Column("real_collection", sa.String(length=255)))


def downgrade() -> None:
    op.drop_column("departure", "real_collection")
    for name in ("moved_to", "collection_id", "real_name"):
        op.drop_column("observed_collection", name)
