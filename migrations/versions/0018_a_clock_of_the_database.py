"""a clock that tells an older copy of the database

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

from migrations.steps import add_column

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One row; neither database rewrites a table for a constant.
    clock = sa.Column("clock", sa.BigInteger(), server_default="0", nullable=False)
    add_column("installation", clock)


def downgrade() -> None:
    op.drop_column("installation", "clock")
