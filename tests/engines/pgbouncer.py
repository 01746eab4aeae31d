"""PgBouncer between a program and PostgreSQL, configured by the block in the README."""

import os
import re
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from tests.engines import debian
from tests.engines.process import ServerProcess, free_port

NAME = "pgbouncer"
README = Path(__file__).parents[2] / "README.md"
# What the README has between its lines ```ini and ```.
BLOCK = re.compile(r"```ini\n(\[databases\].*?)```", re.DOTALL)
PASSWORD = "known-to-pgbouncer-alone"  # PostgreSQL trusts whoever can reach its socket


def prepare() -> None:
    """Install Debian's package where there is none, and where that is allowed.

    Raises:
        EngineMissing: naming the package, when it cannot be installed.
    """
    debian.prepare(NAME, NAME, lambda: debian.program(NAME))


def as_documented(**values: str) -> str:
    """The README's configuration, with other values for some of its keys.

    Raises:
        ValueError: the block, or one of the keys, is not in the README.
    """
    found = BLOCK.search(README.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("README.md has no block ```ini with [databases]")
    lines = found[1]
    for key, value in values.items():
        line = re.search(rf"(?m)^{key} = .*$", lines)
        if line is None:
            raise ValueError(f"the README's block has no {key}")
        lines = lines.replace(line[0], f"{key} = {value}")
    return lines


class PgBouncer(ServerProcess):
    """One on a free port, before a database that is reached over a socket's folder."""

    def __init__(self, directory: Path, database: str, *, mode: str, extra: str = "") -> None:
        """`database` is the address of SQLAlchemy; `extra` are further lines of its file."""
        executable = debian.needed(NAME, NAME, NAME)
        behind = make_url(database)
        folder = str(behind.query["host"])
        self.port = free_port()
        self._address = f"postgres:{PASSWORD}@127.0.0.1:{self.port}/paratia"
        users = directory / "users.txt"
        users.write_text(f'"postgres" "{PASSWORD}"\n')
        configuration = directory / "pgbouncer.ini"
        block = as_documented(
            paratia=f"host={folder} dbname={behind.database}",
            listen_port=str(self.port),
            auth_file=str(users),
            pool_mode=mode,
        )
        configuration.write_text(f"{block}unix_socket_dir =\n{extra}")
        directory.chmod(0o755)
        command = [executable, str(configuration)]
        if os.geteuid() == 0:
            # It takes no root; PostgreSQL's socket is open to its own user alone.
            command[1:1] = ["-u", Path(folder).owner()]
        super().__init__(command=command, log=directory / "pgbouncer.log", answers=self._answers)

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{self._address}"

    def _answers(self) -> bool:
        try:
            with psycopg.connect(f"postgresql://{self._address}", connect_timeout=2):
                return True
        except psycopg.Error:
            return False
