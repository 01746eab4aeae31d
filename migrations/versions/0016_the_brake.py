"""the brake, missing partitions, rows that may be lost, the installation

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

from migrations.steps import add_column, create_index

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "brake",
        sa.Column("collection", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.Column("proven", sa.Integer(), nullable=False),
        sa.Column("found_name", sa.String(length=255), nullable=True),
        sa.Column("found_id", sa.BigInteger(), nullable=True),
        sa.Column("found_created", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=255), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("collection", name="pk_brake"),
        if_not_exists=True,
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("nonce", sa.String(length=32), nullable=False),
        sa.Column("identity", sa.String(length=255), nullable=False),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "highest_known", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_installation"),
        if_not_exists=True,
    )
    add_column("observed_collection", sa.Column("collection_created", sa.BigInteger()))
    add_column("partition", sa.Column("rows_lost_at", sa.DateTime(timezone=True)))
    # Missing partitions are told from the rows of partitions now.
    op.execute("DELETE FROM partition_drift WHERE kind = 'missing'")
    create_index(
        "ix_partition_rows_lost",
        "partition (tenant_id, rows_lost_at, state, collection) WHERE rows_lost_at IS NOT NULL",
    )


# An older version cannot read rows that have these; its sweep finds out by itself what is missing.
NEW_CAUSES = "('collection_replaced', 'partitions_gone')"


def downgrade() -> None:
    op.execute(
        "UPDATE partition SET state = 'ready', cause = NULL, error = NULL WHERE state = 'missing'"
    )
    for table in ("partition", "partition_event", "observed_collection"):
        op.execute(f"UPDATE {table} SET cause = NULL WHERE cause IN {NEW_CAUSES}")  # noqa: S608
    op.execute("DELETE FROM operation WHERE kind = 'acknowledge'")
    op.drop_index("ix_partition_rows_lost", table_name="partition")
    op.drop_column("partition", "rows_lost_at")
    op.drop_column("observed_collection", "collection_created")
    op.drop_table("installation")
    op.drop_table("brake")
