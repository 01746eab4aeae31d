"""Programs that run until their block ends, and workers that can be frozen as a whole."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.engines.process import ServerProcess, accepts

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


@contextmanager
def running(server: ServerProcess, *, kill: bool = False) -> Iterator[None]:
    """The server from its first answer on, stopped (or killed) at the end."""
    try:
        server.start()
        yield
    finally:
        with _undisturbed():
            server.kill() if kill else server.stop()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not leave behind what the first one is stopping."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Workers:
    """Running workers, each the leader of a process group with all it started."""

    groups: Sequence[int]

    def freeze(self) -> None:
        """Let them keep their connections and do nothing, until `thaw`."""
        for group in self.groups:
            os.killpg(group, signal.SIGSTOP)

    def thaw(self) -> None:
        for group in self.groups:
            os.killpg(group, signal.SIGCONT)


@contextmanager
def workers(
    command: Sequence[str],
    count: int,
    folder: Path,
    is_ready: Callable[[Path, int], bool],
    environment: Mapping[str, str],
) -> Iterator[Workers]:
    """So many processes of this command, started one after the other.

    `is_ready` is asked with the log and the number of the one that starts, from 1.
    """
    with ExitStack() as stack:
        servers = []
        for number in range(1, count + 1):
            log = folder / f"worker-{number}.log"
            # A worker of Celery needs a name of its own.
            words = [word.replace("{number}", str(number)) for word in command]
            server = ServerProcess(
                command=words,
                log=log,
                answers=partial(is_ready, log, number),
                environment=dict(environment),
                cwd=ROOT,
            )
            stack.enter_context(running(server))
            servers.append(server)
        group = Workers([server.pid for server in servers])
        # A frozen one would not end.
        stack.callback(group.thaw)
        yield group


@contextmanager
def gunicorn(
    words: Sequence[str], port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """`gunicorn` with these words, from when it listens on the port."""
    server = ServerProcess(
        command=[str(BIN / "gunicorn"), *words],
        log=log,
        answers=lambda: accepts(port),
        environment=dict(environment) if environment else None,
        cwd=ROOT,
    )
    with running(server):
        yield
