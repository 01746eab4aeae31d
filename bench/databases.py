"""Databases for the product and the peers of a run: files of SQLite, or those of one PostgreSQL."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from bench.connection import SQLITE
from bench.processes import running
from tests.engines.postgres import SparePostgres

NAMES = ("sqlite", "postgresql")


class Databases(Protocol):
    """Where fresh databases come from."""

    name: str

    def fresh(self, template: str | None = None) -> str:
        """The URL of a new database: a copy of the one at this URL, or empty."""
        ...

    def version(self) -> str: ...


class Files:
    """SQLite, each database a file in a folder of its own."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fresh(self, template: str | None = None) -> str:
        file = Path(tempfile.mkdtemp(dir=self._folder)) / "bench.db"
        if template:
            shutil.copy(template.removeprefix(SQLITE), file)
        return f"{SQLITE}{file}"

    def version(self) -> str:
        import sqlite3

        return f"SQLite {sqlite3.sqlite_version}"


class Server:
    """PostgreSQL as its wheel configures it, so that it keeps what it acknowledged."""

    name = "postgresql"

    def __init__(self, server: SparePostgres) -> None:
        self._server = server

    def fresh(self, template: str | None = None) -> str:
        name = f"bench_{uuid4().hex}"
        copied = template.partition("@/")[2].partition("?")[0] if template else "template1"
        self._server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{copied}"')
        return self._server.url(name)

    def version(self) -> str:
        from bench.connection import Connection

        connection = Connection(self._server.url("postgres"))
        answer = str(connection.execute("SHOW server_version")[0][0])
        connection.close()
        return f"PostgreSQL {answer}"


@contextmanager
def databases(name: str, folder: Path) -> Iterator[Databases]:
    """Databases of this kind, whose files are in the folder; a server is stopped at the end."""
    if name == "sqlite":
        yield Files(folder)
        return
    server = SparePostgres(folder)
    with running(server):
        yield Server(server)
