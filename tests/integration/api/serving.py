"""The API behind gunicorn, as a process of its own."""

import os
import sys
from pathlib import Path

import httpx

from tests.engines.process import ServerProcess, free_port
from webapp.settings import PROJECT_ROOT, Settings

PASSED_ON = ("PATH", "HOME", "LANG")


class Gunicorn(ServerProcess):
    """One worker with threads. `address` is where it answers."""

    def __init__(self, settings: Settings, log: Path, *options: str) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
        super().__init__(
            command=[*command, "--threads", "16", *options, "wsgi:app"],
            log=log,
            answers=self._is_alive,
            environment=_environment(settings),
            cwd=PROJECT_ROOT,
        )

    def worker_pid(self) -> int:
        """Of the process that serves, which the master starts again when it dies; 0 for none."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def _is_alive(self) -> bool:
        try:
            return httpx.get(f"{self.address}/healthz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def _environment(settings: Settings) -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed_on | {
        "VAR_DIR": str(settings.var_dir),
        "DATABASE_URL": settings.database_url or "",
        "SECRET_KEY": settings.secret_key or "",
        "REDIS_URL": settings.redis_url or "",
        "PARTITION_QUEUE": settings.partition_queue,
    }
