"""search, and lists that stay quick

Triggers keep what is added here. Whoever has SQLite copy one of the two tables (a batch that
recreates it) has to make its triggers again.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Names are indexed with two spaces before them, so that a short text is found at a beginning.
ADD = """
    INSERT INTO tenant_search (rowid, name, slug)
    VALUES (new.id, '  ' || new.name, '  ' || new.slug);
"""
TAKE_OUT = """
    INSERT INTO tenant_search (tenant_search, rowid, name, slug)
    VALUES ('delete', old.id, '  ' || old.name, '  ' || old.slug);
"""
TRIGGERS = {
    "tenant_search_insert": f"AFTER INSERT ON tenant BEGIN {ADD} END",
    "tenant_search_update": f"AFTER UPDATE OF name, slug ON tenant BEGIN {TAKE_OUT} {ADD} END",
    "tenant_search_delete": f"AFTER DELETE ON tenant BEGIN {TAKE_OUT} END",
}
# Most are told when they are added; this is for those who were there before.
WISHED = "UPDATE tenant SET wished = true WHERE id = new.tenant_id AND NOT wished;"
SQLITE = (
    "CREATE TRIGGER partition_wished AFTER INSERT ON partition WHEN new.generation > 0"
    f" BEGIN {WISHED} END",
    "CREATE VIRTUAL TABLE tenant_search USING fts5(name, slug, content='', tokenize='trigram')",
    *(f"CREATE TRIGGER {name} {body}" for name, body in TRIGGERS.items()),
    "INSERT INTO tenant_search (rowid, name, slug)"
    " SELECT id, '  ' || name, '  ' || slug FROM tenant",
)
# What pg_trgm would do, without an extension that not every server has, and few may add.
POSTGRESQL = (
    f"""
    CREATE FUNCTION note_wish() RETURNS trigger
    LANGUAGE plpgsql AS $$ BEGIN {WISHED} RETURN NULL; END $$
    """,
    """
    CREATE TRIGGER partition_wished AFTER INSERT ON partition
    FOR EACH ROW WHEN (new.generation > 0) EXECUTE FUNCTION note_wish()
    """,
    """
    CREATE FUNCTION text_runs(whole text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT array_agg(DISTINCT substr(whole, place, 3))
        FROM generate_series(1, length(whole) - 2) AS place
    $$
    """,
    """
    CREATE INDEX ix_tenant_runs ON tenant
    USING gin ((text_runs('  ' || lower(name)) || text_runs('  ' || slug)))
    WITH (gin_pending_list_limit = 256)
    """,
)


def upgrade() -> None:
    with op.batch_alter_table("partition", schema=None) as batch_op:
        batch_op.create_index(
            "ix_partition_adopted",
            ["state", "seen_absent_at", "tenant_id"],
            unique=False,
            sqlite_where=sa.text("state = 'ready' AND seen_absent_at IS NULL"),
            postgresql_where=sa.text("state = 'ready' AND seen_absent_at IS NULL"),
        )

    with op.batch_alter_table("tenant", schema=None) as batch_op:
        batch_op.add_column(sa.Column("wished", sa.Boolean(), server_default="0", nullable=False))
        batch_op.drop_index(batch_op.f("ix_tenant_name"))
        batch_op.create_index(
            "ix_tenant_living",
            ["name", "id"],
            unique=False,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )
        batch_op.create_index(
            "ix_tenant_deleted",
            ["id"],
            unique=False,
            sqlite_where=sa.text("deleted_at IS NOT NULL"),
            postgresql_where=sa.text("deleted_at IS NOT NULL"),
        )
        batch_op.create_index("ix_tenant_wished", ["wished", "id", "deleted_at"], unique=False)
    op.execute(
        "UPDATE tenant SET wished = true WHERE EXISTS (SELECT 1 FROM partition"
        " WHERE partition.tenant_id = tenant.id AND partition.generation > 0)"
    )
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in POSTGRESQL if is_postgresql else SQLITE:
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_tenant_runs", table_name="tenant")
        op.execute("DROP FUNCTION text_runs(text)")
        op.execute("DROP TRIGGER partition_wished ON partition")
        op.execute("DROP FUNCTION note_wish()")
    else:
        for name in ("partition_wished", *TRIGGERS):
            op.execute(f"DROP TRIGGER {name}")
        op.execute("DROP TABLE tenant_search")

    with op.batch_alter_table("tenant", schema=None) as batch_op:
        batch_op.drop_index("ix_tenant_wished")
        batch_op.drop_index("ix_tenant_deleted")
        batch_op.drop_index("ix_tenant_living")
        batch_op.create_index(batch_op.f("ix_tenant_name"), ["name"], unique=False)
    # Not in a batch, which would drop the table that others point at.
    op.execute("ALTER TABLE tenant DROP COLUMN wished")

    with op.batch_alter_table("partition", schema=None) as batch_op:
        batch_op.drop_index("ix_partition_adopted")
