"""A backup of the database's rows and counters, and its restore in place of what is there."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, text

from tests.factories import audit_open
from webapp.models.base import Model

SEQUENCES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S' ORDER BY 1"


@dataclass(frozen=True)
class Backup:
    rows: dict[str, list[dict[str, Any]]]
    counters: dict[str, int]

    @classmethod
    def of(cls, engine: Engine) -> "Backup":
        with engine.begin() as connection:
            rows = {
                table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
                for table in Model.metadata.sorted_tables
            }
            return cls(rows, _counters(connection))

    def restore(self, engine: Engine) -> None:
        with engine.execution_options(writes=True).begin() as connection, audit_open(connection):
            for table in reversed(Model.metadata.sorted_tables):
                connection.execute(table.delete())
            for table in Model.metadata.sorted_tables:
                if self.rows[table.name]:
                    connection.execute(insert(table), self.rows[table.name])
            self._restore_counters(connection)

    def _restore_counters(self, connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DELETE FROM sqlite_sequence"))
            to_be = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :value)")
        else:
            # One that gave nothing since would tell no last value to the next backup.
            to_be = text("SELECT setval(CAST(:name AS regclass), greatest(:value, 1), :value > 0)")
        for name, value in self.counters.items():
            connection.execute(to_be, {"name": name, "value": value})


def _counters(connection: Connection) -> dict[str, int]:
    if connection.dialect.name == "sqlite":
        return {
            row.name: row.seq for row in connection.execute(text("SELECT * FROM sqlite_sequence"))
        }
    names = connection.scalars(text(SEQUENCES)).all()
    last = text("SELECT coalesce(pg_sequence_last_value(CAST(:name AS regclass)), 0)")
    return {name: connection.scalar(last, {"name": name}) or 0 for name in names}
