"""Machines are upgraded one by one: the version before runs on the schema of this one.

At a release `BASELINE` becomes its newest revision. Until then a migration keeps every table and
column that is there at the baseline; what nobody uses any more goes one release later.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from apiflask import APIFlask
from flask_migrate import upgrade
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Inspector,
    MetaData,
    String,
    Table,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.types import TypeEngine

from webapp.extensions import db

BASELINE = "0011"
# Alembic's, and those of SQLite's search, which triggers fill.
NOT_OURS = ("alembic_version", "tenant_search")
NOW = datetime.now(UTC)


def tables() -> dict[str, Table]:
    """The tables as they are now, those first that others point at."""
    inspector = inspect(db.engine)
    names = [name for name, _ in inspector.get_sorted_table_and_fkc_names() if name]
    ours = [name for name in names if not name.startswith(NOT_OURS)]
    return {name: Table(name, MetaData(), *columns(inspector, name)) for name in ours}


def columns(inspector: Inspector, table: str) -> Iterator[Column[Any]]:
    key = inspector.get_pk_constraint(table)["constrained_columns"]
    for each in inspector.get_columns(table):
        yield Column(
            each["name"],
            each["type"],
            primary_key=each["name"] in key,
            nullable=each["nullable"],
            server_default=each["default"],
        )


def unique(table: str) -> set[str]:
    inspector = inspect(db.engine)
    indexes = [each for each in inspector.get_indexes(table) if each["unique"]]
    constraints = [*indexes, *inspector.get_unique_constraints(table)]
    return {str(each["name"]) for each in constraints}


def value(kind: TypeEngine[Any], number: int) -> Any:
    """A value of the column that no other number has."""
    if isinstance(kind, Boolean):
        return number % 2 == 0
    if isinstance(kind, DateTime):
        return NOW.replace(microsecond=number)
    if isinstance(kind, Date):
        return NOW.date().replace(day=number)
    return str(number) if isinstance(kind, String) else number


def write(known: dict[str, Table], number: int) -> None:
    """Insert a row into each table, with the columns that are known and no others."""
    with db.engine.execution_options(writes=True).begin() as connection:
        for table in known.values():
            row = {each.name: value(each.type, number) for each in table.columns}
            connection.execute(insert(table), row)


def read(table: Table) -> int | None:
    """How many rows a SELECT of the known columns finds."""
    with db.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(select(table).subquery()))


def faults(before: dict[str, Table], after: dict[str, Table]) -> Iterator[str]:
    for name, table in before.items():
        if name not in after:
            yield f"the table {name} is gone"
            continue
        for column in table.columns:
            there = after[name].columns.get(column.name)
            if there is None:
                yield f"the column {name}.{column.name} is gone"
            elif column.nullable and not there.nullable:
                yield f"{name}.{column.name} must have a value now"
            elif kind(column) != kind(there):
                yield f"{name}.{column.name} was {kind(column)}, and is {kind(there)}"
        for column in after[name].columns:
            is_needed = not column.nullable and column.server_default is None
            if column.name not in table.columns and is_needed:
                yield f"the new {name}.{column.name} needs a value: give it a server_default"


def kind(column: Column[Any]) -> str:
    return repr(column.type)


def test_version_before_reads_and_writes_when_the_schema_is_this_ones(empty_app: APIFlask) -> None:
    upgrade(revision=BASELINE)
    known = tables()
    unique_before = {name: unique(name) for name in known}
    write(known, 1)
    upgrade()
    assert list(faults(known, tables())) == []
    write(known, 2)
    assert {name: read(table) for name, table in known.items()} == dict.fromkeys(known, 2)
    # The version before would insert what a new one refuses.
    assert {name: unique(name) for name in known} == unique_before
