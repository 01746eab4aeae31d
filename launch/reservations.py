"""Places of the parts: the folder of one run, free ports and sockets."""

import contextlib
import errno
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from launch.errors import StartError
from launch.settings import RunSettings
from webapp.addresses import is_usable_socket
from webapp.var_dir import is_private, private_folder, remember

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes the ports of outgoing connections.
OTHER_PORTS = range(20_000, 32_000)


@contextlib.contextmanager
def only_run(var_dir: Path) -> Iterator[None]:
    """Lock `var_dir` for this process; the kernel unlocks it however the process ends.

    Raises:
        StartError: another run has locked it, or it cannot be written.
    """
    try:
        private_folder(var_dir)
        (var_dir / "log").mkdir(exist_ok=True)
        lock = (var_dir / "run.lock").open("a+")
    except OSError as error:
        raise StartError(f"VAR_DIR {var_dir} cannot be used: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StartError(
                f"VAR_DIR {var_dir} is in use by another run (process {lock.read().strip()}). "
                "Stop that one, or set VAR_DIR to another folder."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def require_web_port(host: str, port: int) -> None:
    """Raises StartError, with the remedy, where the panel cannot listen on `HOST` and `PORT`."""
    try:
        _try_to_listen(host, port)
    except OSError as error:
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else error.strerror
        is_elsewhere = error.errno == errno.EADDRNOTAVAIL
        remedy = "HOST to an address of this machine" if is_elsewhere else "PORT to a free one"
        raise StartError(f"PORT {port} on {host}: {why}. Set {remedy}.") from error


@contextlib.contextmanager
def milvus_port(settings: RunSettings) -> Iterator[int]:
    """A port for Milvus Lite, the one of the last run if it is free; else another is remembered.

    Milvus Lite listens with SO_REUSEPORT: two servers on one port would share it silently, each
    with half of the partitions. So the port is also locked against other runs, for the duration of
    the block.
    """
    last = urlsplit(settings.milvus_address).port or 0
    for port in (last, *random.sample(OTHER_PORTS, 100)):
        claim = _claim(port)
        if claim:
            break
    else:
        raise StartError("No free port was found for Milvus Lite; set MILVUS_URI to a Milvus.")
    with claim:
        if port != last:
            remember(settings.var_dir / "milvus.port", str(port))
        yield port


def settle_redis_socket(settings: RunSettings) -> Path:
    """Where Redis listens: in `var_dir` or, where that is too long, in a private short folder.

    The folder is remembered.
    """
    first, last = settings.var_dir / "redis.sock", settings.redis_socket
    if is_usable_socket(first):
        return first
    if not is_usable_socket(last) or not is_private(last.parent):
        try:
            last = Path(tempfile.mkdtemp(prefix="paratia-", dir="/tmp")) / "redis.sock"
        except OSError as error:
            raise StartError(
                f"VAR_DIR {settings.var_dir} has a path in which no socket can be, and /tmp cannot "
                f"be used instead: {error.strerror}. Choose a shorter path without a space or a =."
            ) from error
        remember(settings.var_dir / "redis.socket", str(last))
    return last


def _claim(port: int) -> socket.socket | None:
    """A lock of the port against other runs; None where it is taken."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        # An abstract name needs no file, and ends with the process.
        claim.bind(f"\0paratia-milvus-{port}")
        _try_to_listen(LOOPBACK, port)
    except OSError:
        claim.close()
        return None
    return claim


def _try_to_listen(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # A port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen()
