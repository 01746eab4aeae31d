"""a partition's row for every tenant

A tenant that was imported, and whose partition was not requested yet, has a row without a state.
Tenants that were deleted without a request, before each deletion left a row behind, count as
removed: their partitions are not there.

SQLite copies the table `partition`, which takes its triggers along; there is none but the one that
this revision takes away.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

from migrations.steps import create_index, in_batches, on_postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

LATER = {
    "collection": sa.String(length=255),
    "state": sa.String(length=32),
    "state_since": sa.DateTime(timezone=True),
    "requested_at": sa.DateTime(timezone=True),
}
ADD_ROWS = """
    INSERT INTO partition (tenant_id, name, generation, attempts, max_attempts, fence, dispatch,
        reopens, state, state_since, requested_at, collection)
    SELECT id, 'tenant_' || id, 0, 0, 3, 0, 0, 0,
        CASE WHEN deleted_at IS NOT NULL THEN 'removed' END, deleted_at, deleted_at,
        CASE WHEN deleted_at IS NOT NULL THEN '' END
    FROM tenant WHERE id BETWEEN :first AND :last
        AND NOT EXISTS (SELECT 1 FROM partition WHERE tenant_id = tenant.id)
    ON CONFLICT DO NOTHING
"""
# An operation keeps as JSON whom it selected, and what it skipped by reason.
NAMES = {"skipped": ("no_wish", "not_requested"), "selection": ("without_wish", "not_requested")}
RENAME = """
    UPDATE operation SET {column} = replace({column}, '"{old}":', '"{new}":')
    WHERE {column} LIKE '%"{old}"%'
"""
WISHED = "UPDATE tenant SET wished = true WHERE id = new.tenant_id AND NOT wished;"


def upgrade() -> None:
    if on_postgresql():
        op.execute("DROP TRIGGER IF EXISTS partition_wished ON partition")
        op.execute("DROP FUNCTION IF EXISTS note_wish()")
        # Takes its index along.
        op.execute("ALTER TABLE tenant DROP COLUMN IF EXISTS wished")
    else:
        op.execute("DROP TRIGGER partition_wished")
        op.drop_index("ix_tenant_wished", "tenant")
        op.execute("ALTER TABLE tenant DROP COLUMN wished")
    _let_be_null(True)
    for column, (old, new) in NAMES.items():
        op.execute(RENAME.format(column=column, old=old, new=new))
    in_batches(ADD_ROWS, "tenant", "id")
    create_index("ix_partition_not_requested", "partition (tenant_id) WHERE state IS NULL")


def downgrade() -> None:
    for column, (old, new) in NAMES.items():
        op.execute(RENAME.format(column=column, old=new, new=old))
    op.drop_index("ix_partition_not_requested", "partition")
    op.execute(
        "DELETE FROM partition WHERE state IS NULL OR (state = 'removed' AND collection = '')"
    )
    _let_be_null(False)
    op.add_column("tenant", sa.Column("wished", sa.Boolean(), server_default="0", nullable=False))
    op.execute(
        "UPDATE tenant SET wished = true WHERE EXISTS (SELECT 1 FROM partition"
        " WHERE partition.tenant_id = tenant.id AND partition.generation > 0)"
    )
    op.create_index("ix_tenant_wished", "tenant", ["wished", "id", "deleted_at"])
    _make_trigger()


def _let_be_null(nullable: bool) -> None:
    with op.batch_alter_table("partition") as batch_op:
        for name, kind in LATER.items():
            batch_op.alter_column(name, existing_type=kind, nullable=nullable)


def _make_trigger() -> None:
    if on_postgresql():
        op.execute(
            "CREATE FUNCTION note_wish() RETURNS trigger LANGUAGE plpgsql"
            f" AS $$ BEGIN {WISHED} RETURN NULL; END $$"
        )
        op.execute(
            "CREATE TRIGGER partition_wished AFTER INSERT ON partition"
            " FOR EACH ROW WHEN (new.generation > 0) EXECUTE FUNCTION note_wish()"
        )
    else:
        op.execute(
            "CREATE TRIGGER partition_wished AFTER INSERT ON partition WHEN new.generation > 0"
            f" BEGIN {WISHED} END"
        )
