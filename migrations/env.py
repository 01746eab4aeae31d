"""Runs the migrations with the application's own engine and models."""

from typing import Any, Literal

from alembic import context
from flask import current_app
from sqlalchemy import Enum, text

from webapp.database import UtcDateTime
from webapp.extensions import db

# Any number of ours will do: it keeps two machines from migrating one database at once.
LOCK_NUMBER = 7_274_282
SEARCH = ("tenant_search", "ix_tenant_search")


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our column types as plain ones: a migration must not change with the models."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, Enum):
        return f"sa.String(length={item.length})"
    return False


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave out the search's index, which no model describes: SQLite's tables, PostgreSQL's GIN."""
    return not (kind in {"table", "index"} and (name or "").startswith(SEARCH))


def run_migrations() -> None:
    """Bring the database to the revision asked for, in one transaction."""
    with db.engine.execution_options(writes=True).connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_item=render_item,
            include_name=include_name,
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})"))
            context.run_migrations()


run_migrations()
