"""A server process that tests start, freeze, kill and start again."""

import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# Below the ports of the product's own engines, which begin at 19530, and of outgoing connections.
BLOCKS = range(10_000, 19_000, 100)
# Reserved for as long as this process lives.
_reserved: list[socket.socket] = []


class ServerEnded(RuntimeError):
    """A server ended by itself, before it answered; the message has the end of its log."""


def free_port() -> int:
    """A TCP port of the loopback address that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def reserved_ports() -> range:
    """A hundred free ports of the loopback address, which no other process of tests is given.

    Raises:
        RuntimeError: when all are taken.
    """
    for first in random.sample(BLOCKS, len(BLOCKS)):
        block = range(first, first + BLOCKS.step)
        claim = socket.socket(socket.AF_UNIX)
        try:
            # An abstract name needs no file, and ends with the process.
            claim.bind(f"\0paratia-tests-{first}")
            _require_free(block)
        except OSError:
            claim.close()
            continue
        _reserved.append(claim)
        return block
    raise RuntimeError(f"no hundred free ports from {BLOCKS.start} to {BLOCKS.stop}")


def _require_free(ports: range) -> None:
    for port in ports:
        with socket.socket() as probe:
            # A port in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))


def accepts(port: int) -> bool:
    """Whether something listens on the port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(
    condition: Callable[[], T], within_s: float, what: str, *, longest_pause_s: float = 0.25
) -> T:
    """The condition's first true value, soon after it has one.

    Each look takes time of the processor, here and of who answers. So the pauses grow with what
    was waited already, from 0.02 s up to the longest; who measures a time asks for a short one.

    Raises:
        TimeoutError: naming `what` was waited for.
    """
    began = time.monotonic()
    while not (value := condition()):
        waited_s = time.monotonic() - began
        if waited_s >= within_s:
            raise TimeoutError(f"waited {within_s:g} s for {what}")
        time.sleep(min(max(waited_s / 10, 0.02), longest_pause_s))
    return value


@dataclass
class ServerProcess:
    """One server: `start` returns when it answers; the data stay over `kill` and `restart`."""

    command: Sequence[str]
    log: Path
    answers: Callable[[], bool]
    ready_within_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    environment: dict[str, str] | None = None
    cwd: Path | None = None
    user: str | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        return self._running.pid

    def start(self) -> None:
        """Start and wait until it answers.

        Raises:
            ServerEnded: when it stops by itself.
            TimeoutError: when it does not answer in time.
        """
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                cwd=self.cwd,
                user=self.user,
                start_new_session=True,
            )
        try:
            wait_until(self._is_up, self.ready_within_s, f"{self.command[0]} to answer")
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask it to end and wait for that; kill it after 15 s. Nothing when it is not running."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop, where it runs, and start on the same data and address."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Let it keep its connections and answer nothing, until `thaw`."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running.send_signal(signal.SIGCONT)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.command[0]} is not running")
        return self._process

    def _is_up(self) -> bool:
        if self._running.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise ServerEnded(f"{self.command[0]} ended with {self._running.returncode}: {tail}")
        return self.answers()
