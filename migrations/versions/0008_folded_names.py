"""search without case and accents, from two characters on; uploads as they were written

Names are folded by the program, tenant by tenant: here the columns stay empty, and the
reconciler fills them, without keeping the table locked meanwhile. A name that is not folded
yet, or was written by a program that knows nothing of it, is found in its lower case.

SQLite's triggers keep the search table. Whoever has SQLite copy the table `tenant` (a batch
that recreates it) has to make them again.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

from migrations.steps import add_column, create_index, drop_index, on_postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# What is searched of a tenant. No word that is looked for has a space in it, so none is found
# across the border of name and slug.
TEXT = (
    "' ' || CASE WHEN {row}.folded_from = {row}.name THEN {row}.folded_name"
    " ELSE lower({row}.name) END || ' ' || {row}.slug"
)
# All runs of two and of three characters in one word; the space before a word counts as one, so
# that a single character is found at a beginning. The text is shortened from its front: a quarter
# of what it costs to look up each place in it.
RUNS = f"""
    WITH RECURSIVE rest (text) AS (
        SELECT {TEXT} UNION ALL SELECT substr(text, 2) FROM rest WHERE length(text) > 2
    )
    SELECT group_concat(
        CASE
            WHEN substr(text, 2, 1) = ' ' THEN ''
            WHEN length(text) = 2 OR instr(substr(text, 1, 3), ' ') > 0 THEN hex(substr(text, 1, 2))
            ELSE hex(substr(text, 1, 2)) || ' ' || hex(substr(text, 1, 3))
        END, ' '
    ) FROM rest
"""  # noqa: S608
ADD = f"""
    INSERT INTO tenant_search (rowid, runs) SELECT new.id, ({RUNS.replace("{row}", "new")});
"""
TAKE_OUT = f"""
    INSERT INTO tenant_search (tenant_search, rowid, runs)
    SELECT 'delete', old.id, ({RUNS.replace("{row}", "old")});
"""
CHANGED = "AFTER UPDATE OF name, slug, folded_name, folded_from ON tenant"
TRIGGERS = {
    "tenant_search_insert": f"AFTER INSERT ON tenant BEGIN {ADD} END",
    "tenant_search_update": f"{CHANGED} BEGIN {TAKE_OUT} {ADD} END",
    "tenant_search_delete": f"AFTER DELETE ON tenant BEGIN {TAKE_OUT} END",
}
TABLE = """
    CREATE VIRTUAL TABLE tenant_search
    USING fts5(runs, content='', columnsize=0, detail='none', tokenize='ascii')
"""
FILL = f"""
    INSERT INTO tenant_search (rowid, runs)
    SELECT tenant.id, ({RUNS.replace("{row}", "tenant")}) FROM tenant
"""  # noqa: S608
# What it costs is said, or the planner would compute it row by row in place of asking the index.
FUNCTION = """
    CREATE OR REPLACE FUNCTION search_runs(whole text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
        SELECT array_agg(DISTINCT run COLLATE "C")
        FROM generate_series(1, length(whole) - 1) AS place,
        LATERAL (VALUES (substr(whole, place, 2)), (substr(whole, place, 3))) AS runs (run)
        WHERE length(run) = 2 AND substr(run, 2) <> ' ' OR position(' ' IN run) = 0
    $$
"""
INDEXED = f"""
    tenant USING gin (search_runs({TEXT.replace("{row}", "tenant")}))
    WITH (gin_pending_list_limit = 256)
"""

# As 0005 made them.
ADD_5 = """
    INSERT INTO tenant_search (rowid, name, slug)
    VALUES (new.id, '  ' || new.name, '  ' || new.slug);
"""
TAKE_OUT_5 = """
    INSERT INTO tenant_search (tenant_search, rowid, name, slug)
    VALUES ('delete', old.id, '  ' || old.name, '  ' || old.slug);
"""
TRIGGERS_5 = {
    "tenant_search_insert": f"AFTER INSERT ON tenant BEGIN {ADD_5} END",
    "tenant_search_update": f"AFTER UPDATE OF name, slug ON tenant BEGIN {TAKE_OUT_5} {ADD_5} END",
    "tenant_search_delete": f"AFTER DELETE ON tenant BEGIN {TAKE_OUT_5} END",
}
TABLE_5 = (
    "CREATE VIRTUAL TABLE tenant_search USING fts5(name, slug, content='', tokenize='trigram')"
)
FILL_5 = """
    INSERT INTO tenant_search (rowid, name, slug)
    SELECT id, '  ' || name, '  ' || slug FROM tenant
"""
INDEXED_5 = """
    tenant USING gin ((text_runs('  ' || lower(name)) || text_runs('  ' || slug)))
    WITH (gin_pending_list_limit = 256)
"""


def _make_sqlite_table(table: str, fill: str, triggers: dict[str, str]) -> None:
    op.execute(table)
    op.execute(fill)
    for name, body in triggers.items():
        op.execute(f"CREATE TRIGGER {name} {body}")


def _drop_sqlite_table() -> None:
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name}")
    op.execute("DROP TABLE tenant_search")


def upgrade() -> None:
    # None of this is a batch that recreates a table, which would drop its triggers.
    add_column("tenant", sa.Column("folded_name", sa.Text()))
    add_column("tenant", sa.Column("folded_from", sa.String(length=255)))
    add_column("upload", sa.Column("layout", sa.Text()))
    add_column("upload_row", sa.Column("cells", sa.Text()))
    if on_postgresql():
        op.execute(FUNCTION)
        create_index("ix_tenant_unfolded", "tenant (id) WHERE folded_from IS DISTINCT FROM name")
        create_index("ix_tenant_search", INDEXED)
        # Its function stays: the version before asks for it while machines are upgraded one by one.
        drop_index("ix_tenant_runs")
    else:
        create_index("ix_tenant_unfolded", "tenant (id) WHERE folded_from IS NOT name")
        _drop_sqlite_table()
        _make_sqlite_table(TABLE, FILL, TRIGGERS)


def downgrade() -> None:
    if on_postgresql():
        create_index("ix_tenant_runs", INDEXED_5)
        drop_index("ix_tenant_search")
        op.execute("DROP FUNCTION IF EXISTS search_runs(text)")
    else:
        _drop_sqlite_table()
    op.drop_index("ix_tenant_unfolded", table_name="tenant", if_exists=True)
    # Not in a batch, which would drop the table that others point at.
    for table, column in (
        *(("tenant", "folded_name"), ("tenant", "folded_from")),
        *(("upload", "layout"), ("upload_row", "cells")),
    ):
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    if not on_postgresql():
        _make_sqlite_table(TABLE_5, FILL_5, TRIGGERS_5)
