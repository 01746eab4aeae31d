"""One connection to SQLite or PostgreSQL, for whoever measures and for the peers."""

import sqlite3
from typing import Any

SQLITE = "sqlite:///"


class Connection:
    """Commits each statement, unless within BEGIN and COMMIT; keeps what it acknowledged.

    A value's place is `?` for both databases. To be used by one thread at a time.
    """

    def __init__(self, url: str) -> None:
        """`url` is the address that SQLAlchemy takes."""
        self.is_sqlite = url.startswith(SQLITE)
        self._raw: Any = _sqlite(url) if self.is_sqlite else _postgresql(url)

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run the statement; returns its rows, if it has any."""
        if not self.is_sqlite:
            statement = statement.replace("?", "%s")
        cursor = self._raw.execute(statement, values)
        return list(cursor.fetchall()) if cursor.description else []

    def number(self, query: str, *values: object) -> int:
        """The one number that the query answers."""
        return int(self.execute(query, *values)[0][0])

    def close(self) -> None:
        self._raw.close()


def _sqlite(url: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        url.removeprefix(SQLITE), timeout=10, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _postgresql(url: str) -> Any:
    import psycopg

    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
