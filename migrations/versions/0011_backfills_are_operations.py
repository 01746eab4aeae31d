"""backfills are operations, and may adopt

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    adopt = sa.Column("adopt", sa.Boolean(), server_default=sa.false(), nullable=False)
    op.add_column("operation", adopt)


def downgrade() -> None:
    # An older version does not know this kind.
    op.execute("DELETE FROM operation WHERE kind = 'backfill'")
    op.drop_column("operation", "adopt")
