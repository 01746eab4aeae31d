"""The applications that the API is measured against, under the product's own server settings."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from bench.engines import Engines
from bench.processes import ROOT, gunicorn
from tests.engines.process import free_port

TOKEN = "a-token-of-the-ordinary-application"
CONFIGURATION = ROOT / "launch" / "gunicorn_conf.py"


@dataclass(frozen=True)
class ServerSize:
    workers: int
    threads: int

    def __str__(self) -> str:
        return f"gunicorn {self.workers} x {self.threads} threads"


def server_size() -> ServerSize:
    """How many processes and threads of gunicorn the product has."""
    # Importing it would load the whole application.
    found = {
        target.id: statement.value.value
        for statement in ast.parse(CONFIGURATION.read_text()).body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, int)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    return ServerSize(workers=found["workers"], threads=found["threads"])


@contextmanager
def serving(engines: Engines, module: str) -> Iterator[int]:
    """The application of this module of `bench.peers`; gives its port."""
    folder, port, size = engines.fresh_folder(), free_port(), server_size()
    environment = os.environ | {
        "BENCH_DATABASE": engines.databases.fresh(),
        "BENCH_REDIS": engines.redis_url,
        "BENCH_QUEUE": f"web-{uuid4().hex}",
    }
    path = f"bench.peers.{module}"
    if module == "ordinary":
        command = [sys.executable, "-m", path, TOKEN]
        subprocess.run(command, env=environment, cwd=ROOT, check=True)
    words = ["-k", "gthread", "-w", str(size.workers), "--threads", str(size.threads)]
    words += ["-b", f"127.0.0.1:{port}", "--no-control-socket", f"{path}:create_app()"]
    with gunicorn(words, port, folder / "web.log", environment):
        yield port
