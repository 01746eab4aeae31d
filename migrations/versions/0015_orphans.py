"""decisions about orphans: counted, acknowledged, dropped

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
OF_DRIFT = {
    "counted_at": MOMENT,
    "acknowledged_at": MOMENT,
    "acknowledged_by": sa.String(length=255),
    "acknowledged_reason": sa.String(length=500),
}

# Columns without a default, added one by one: neither database rewrites the table.


def upgrade() -> None:
    for name, kind in OF_DRIFT.items():
        op.add_column("partition_drift", sa.Column(name, kind))
    op.create_table(
        "orphan_request",
        sa.Column("collection", sa.String(length=255), nullable=False),
        sa.Column("partition", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("lease_until", MOMENT),
        sa.Column("rows", sa.BigInteger()),
        sa.Column("counted_at", MOMENT),
        sa.Column("drop_began_at", MOMENT),
        sa.Column("real_collection", sa.String(length=255)),
        sa.Column("finished_at", MOMENT),
        sa.Column("outcome", sa.String(length=32)),
        sa.Column("message", sa.Text()),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("via", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=255)),
        sa.Column("request_id", sa.String(length=64)),
        sa.PrimaryKeyConstraint("collection", "partition", name=op.f("pk_orphan_request")),
    )
    where = sa.text("finished_at IS NULL")
    op.create_index(
        "ix_orphan_request_waiting",
        "orphan_request",
        ["asked_at"],
        sqlite_where=where,
        postgresql_where=where,
    )


def downgrade() -> None:
    op.drop_table("orphan_request")
    # The version before knows neither kind; its next sweep finds these partitions again.
    op.execute("DELETE FROM partition_drift WHERE kind IN ('acknowledged', 'other')")
    for name in reversed(OF_DRIFT):
        op.drop_column("partition_drift", name)
