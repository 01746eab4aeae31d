"""The product as it runs for a user: a process of its own, watched from outside."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from launch import sessions
from tests.engines.process import free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
START_WITHIN_S = 150
# A whole start, on a machine that is busy with other work.
HEAL_WITHIN_S = 90
STOP_WITHIN_S = 25.0
NAMES = {
    "web": ("gunicorn",),
    "worker": ("flask worker",),
    "reconciler": ("partitions reconcile",),
    "redis": ("redis-server", "valkey-server"),
    "milvus": ("milvus-lite",),
}


def environment(var_dir: Path, port: int, **settings: str) -> dict[str, str]:
    """This process's environment with the given settings, and no other of the product's."""
    foreign = ("MILVUS_", "REDIS_", "DATABASE_", "ADMIN_", "SECRET_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"VAR_DIR": str(var_dir), "PORT": str(port)} | settings


@dataclass
class Run:
    var_dir: Path
    port: int
    process: subprocess.Popen[bytes] = field(repr=False)
    output: Path
    root: Path = ROOT

    def serves(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def shown(self) -> str:
        return self.output.read_text()

    def session(self) -> int:
        """The session of everything that the launcher started."""
        pid_file = self.var_dir / "supervisord.pid"
        # For a moment it is there and empty.
        return int(wait_until(pid_file.read_text, HEAL_WITHIN_S, "the supervisor's pid"))

    def pids(self, part: str) -> list[int]:
        """The processes of a part, told by their command lines, the oldest first."""
        return [pid for pid in sorted(sessions.members(self.session())) if self._is(part, pid)]

    def stop(self, signum: int = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        return self.process.wait(STOP_WITHIN_S)

    def _is(self, part: str, pid: int) -> bool:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return False
        # While a part waits for its turn it is not yet what its command line names.
        return any(name in words for name in NAMES[part]) and "wrapper.py" not in words


@contextlib.contextmanager
def running(
    var_dir: Path, port: int | None = None, root: Path = ROOT, **settings: str
) -> Iterator[Run]:
    """The product, serving; stopped at the end of the block whatever happens in it."""
    with started(var_dir, port, root, **settings) as run:
        wait_until(lambda: "is ready" in run.shown(), START_WITHIN_S, f"{run.output} to say ready")
        yield run


@contextlib.contextmanager
def started(
    var_dir: Path, port: int | None = None, root: Path = ROOT, **settings: str
) -> Iterator[Run]:
    """The product as it starts; stopped at the end of the block whatever happens in it."""
    port = port or free_port()
    output = var_dir.parent / f"terminal-{len(list(var_dir.parent.iterdir()))}.txt"
    with output.open("xb") as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "launch"],
            cwd=root,
            env=environment(var_dir, port, **settings),
            stdout=terminal,
            stderr=subprocess.STDOUT,
        )
    run = Run(var_dir, port, process, output, root)
    try:
        yield run
    finally:
        if process.poll() is None:
            run.stop()


def flask(run: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a second terminal, on the data of the run."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "flask"), *arguments],
        cwd=run.root,
        env=environment(run.var_dir, run.port),
        capture_output=True,
        text=True,
        check=False,
    )


def configuration(run: Run) -> dict[str, object]:
    """The settings that a command in a second terminal sees."""
    seen: dict[str, object] = json.loads(flask(run, "config", "--json").stdout)
    return seen
