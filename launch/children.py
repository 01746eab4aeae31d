"""What the run has other processes find out, so that it stays small for as long as it lives."""

import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import IO, cast

from launch.parts import tethered
from launch.settings import PROJECT_ROOT, RunSettings, parse


class Unreadable(Exception):
    """The settings were not read, and stderr says why. Its argument is the exit status."""


def read_settings() -> RunSettings:
    """The settings, from the environment and `.env`.

    Raises:
        Unreadable: with 2 where one is unusable.
    """
    process = _start("launch.settings", stdin=subprocess.DEVNULL)
    printed, _ = process.communicate()
    if process.returncode:
        raise Unreadable(process.returncode)
    return parse(printed)


class SignsOfWork:
    """Whether worker and reconciler have begun, as `launch.begun` sees it in a process of its own.

    The process lives from the first question to `close`; one that died is started again.
    """

    def __init__(self, since: datetime) -> None:
        """Signs from before `since` are another run's."""
        self._since = since
        self._process: subprocess.Popen[str] | None = None

    def missing(self, pids: Collection[int]) -> list[str]:
        """The parts without a sign that they work; a worker is known by being one of `pids`."""
        process = self._running()
        question, answer = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
        with suppress(BrokenPipeError):
            print(*pids, file=question, flush=True)
        # A whole answer ends with a full stop: of a process that died there is none.
        *parts, end = answer.readline().split() or [""]
        return parts if end == "." else ["worker", "reconciler"]

    def close(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.communicate()
        self._process = None

    def _running(self) -> "subprocess.Popen[str]":
        if self._process and self._process.poll() is not None:
            self.close()
        if not self._process:
            since = self._since.isoformat()
            self._process = _start("launch.begun", since, stdin=subprocess.PIPE)
        return self._process


def _start(module: str, *arguments: str, stdin: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        tethered(sys.executable, "-m", module, *arguments),
        cwd=PROJECT_ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for the run alone, which ends its children itself.
        start_new_session=True,
    )
