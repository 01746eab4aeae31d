"""Milvus Lite's server, the engine of the embedded mode."""

import sys
from pathlib import Path

from tests.engines.process import ServerProcess, accepts, free_port

NAME = "milvus-lite"


class LiteServer(ServerProcess):
    """Milvus Lite on a free port of the loopback address; it knows no credentials."""

    token = ""
    max_partitions: int | None = None

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        command = [str(Path(sys.executable).parent / "milvus-lite"), "server"]
        command += ["--data-dir", str(directory / "data")]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        super().__init__(
            command=command, log=directory / "milvus-lite.log", answers=lambda: accepts(self.port)
        )
