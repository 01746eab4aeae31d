"""The whole product as `make run` starts it, on the run's engines, and its processes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psutil import Process

from bench.engines import Engines
from bench.processes import ROOT, running
from bench.product import Product, installed
from tests.engines.process import ServerProcess

STARTS_WITHIN_S = 150.0
# What stands in the command line of a part. `make run` shows the logs by one `tail` for each.
PARTS = {
    "log followers": "/log/",
    "launcher": "-m launch",
    "supervisor": "supervisord",
    "web": "gunicorn",
    "worker": "flask worker",
    "reconciler": "partitions reconcile",
}


@dataclass(frozen=True)
class Whole:
    """A running product; `product` is the same installation seen from this process."""

    product: Product
    launcher: int

    def processes(self) -> dict[str, list[Process]]:
        """The processes by what they do; of the web's the first is the master."""
        launcher = Process(self.launcher)
        found: dict[str, list[Process]] = {}
        for process in [launcher, *launcher.children(recursive=True)]:
            found.setdefault(_part(process), []).append(process)
        master, *servers = sorted(found.pop("web"), key=lambda process: int(process.pid))
        numbered = {f"web, server {n}": [server] for n, server in enumerate(servers, 1)}
        return {"web, master": [master], **numbered, **found}


@contextmanager
def whole_product(engines: Engines) -> Iterator[Whole]:
    """The product, running and ready, and everything of it stopped at the end."""
    with installed(engines) as product:
        terminal = product.settings.var_dir / "terminal.txt"
        server = ServerProcess(
            command=[sys.executable, "-m", "launch"],
            log=terminal,
            answers=lambda: "is ready" in terminal.read_text(),
            ready_within_s=STARTS_WITHIN_S,
            environment=product.environment,
            cwd=ROOT,
        )
        with running(server):
            yield Whole(product, server.pid)


def _part(process: Process) -> str:
    words = " ".join(process.cmdline())
    return next((part for part, named in PARTS.items() if named in words), "others")
