"""The web server as it is started without `make run`: gunicorn with the project's own config."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.engines.process import ServerProcess, free_port
from webapp.settings import PROJECT_ROOT, Settings

PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")
ANSWER_WITHIN_S = 20.0
CONFIG = PROJECT_ROOT / "launch" / "gunicorn_conf.py"


class WebServer(ServerProcess):
    def __init__(
        self, directory: Path, settings: Settings, config: Path = CONFIG, **more: str
    ) -> None:
        self.port = free_port()
        self.address = f"http://{more.get('HOST', '127.0.0.1')}:{self.port}"
        given = {"PORT": str(self.port), "VAR_DIR": str(settings.var_dir)}
        given["REDIS_URL"] = settings.redis_address
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        command = ["-m", "gunicorn", "-c", str(config), "wsgi:app"]
        super().__init__(
            command=[sys.executable, *command],
            log=directory / "web.log",
            answers=answers(f"{self.address}/healthz"),
            environment=passed_on | given | more,
            cwd=PROJECT_ROOT,
        )

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_WITHIN_S)

    def send(self, *pieces: bytes) -> bytes:
        """All that it answers to these bytes before it closes the connection."""
        with self.connect() as connection:
            connection.sendall(b"".join(pieces))
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65_536), b""))


def answers(address: str, verify: bool = True) -> Callable[[], bool]:
    """Whether a GET of the address is answered with 200."""

    def ask() -> bool:
        try:
            return httpx.get(address, timeout=5, verify=verify).status_code == 200
        except httpx.TransportError:
            return False

    return ask
