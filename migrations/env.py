"""Runs the migrations with the application's own engine and models."""

from typing import Any, Literal

from alembic import context
from click import ClickException
from flask import current_app
from sqlalchemy import Connection, Enum, text

from webapp.db.types import UtcDateTime
from webapp.extensions import db

# Any number of ours will do: it keeps two machines from migrating one database at once.
LOCK_NUMBER = 7_274_282
# The first schema of the search_path gets what is made; what is found may lie in a later one.
FOUND_ELSEWHERE = text(
    "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass("
    "'alembic_version') AND relnamespace::regnamespace::text <> quote_ident(current_schema())"
)
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


def refuse_two_schemas(connection: Connection) -> None:
    """Keep one install's new tables from mixing with another's.

    Raises:
        ClickException: the tables of an install are visible in a later schema of the search_path.
    """
    if other := connection.scalar(FOUND_ELSEWHERE):
        raise ClickException(
            f"an install in the schema {other} is visible, but tables would be made in another "
            "one: let the search_path of DATABASE_URL name one schema alone"
        )


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
                refuse_two_schemas(connection)
            context.run_migrations()


run_migrations()
