"""since when no check of the isolation could be made

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

from migrations.steps import add_column

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a default: neither database rewrites the table.
    add_column(
        "observed_collection",
        sa.Column("canary_not_run_since", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    op.drop_column("observed_collection", "canary_not_run_since")
