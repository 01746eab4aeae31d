"""The peers' database: a row for each tenant, marked when its partition is there."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

TABLE = """
CREATE TABLE IF NOT EXISTS tenant (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, slug TEXT UNIQUE, ready INTEGER DEFAULT 0
)
"""


def connect(file: str | Path) -> sqlite3.Connection:
    """A connection that keeps what it acknowledged, as the product's do."""
    connection = sqlite3.connect(file, timeout=10, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(TABLE)
    return connection


def insert(connection: sqlite3.Connection, name: str, slug: str) -> int:
    row = "INSERT INTO tenant (name, slug) VALUES (?, ?)"
    return int(connection.execute(row, (name, slug)).lastrowid or 0)


def fill(connection: sqlite3.Connection, tenants: int) -> list[int]:
    """Store so many tenants in one transaction; returns their numbers."""
    connection.execute("BEGIN")
    numbers = [insert(connection, f"Tenant {n}", f"tenant-{n}") for n in range(tenants)]
    connection.execute("COMMIT")
    return numbers


def mark_ready(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "UPDATE tenant SET ready = 1 WHERE id = ?", ((number,) for number in numbers)
    )
    connection.execute("COMMIT")


def count_ready(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM tenant WHERE ready = 1").fetchone()[0])
