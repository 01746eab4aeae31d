"""Modules of ours that run in processes of their own, so that the run stays small."""

import subprocess
import sys
from datetime import datetime

from launch.parts import wrapped
from launch.settings import PROJECT_ROOT, RunSettings, parse


class Unreadable(Exception):
    """The settings were not read, and stderr says why. Its argument is the exit status."""


def read_settings() -> RunSettings:
    """The settings, from the environment and `.env`.

    Raises:
        Unreadable: with 2 where one is unusable.
    """
    process = start("launch.settings", stdout=subprocess.PIPE)
    printed, _ = process.communicate()
    if process.returncode:
        raise Unreadable(process.returncode)
    return parse(printed)


class Readiness:
    """Whether all parts do their work, as `launch.readiness` finds out."""

    def __init__(self, since: datetime) -> None:
        """Signs of work from before `since` are another run's."""
        self._since = since
        self._process: subprocess.Popen[str] | None = None

    def is_reached(self, session: int) -> bool:
        """Whether they do. The first call starts the process, and a later one after its death."""
        if self._process is None or self._process.poll():
            self._process = start("launch.readiness", self._since.isoformat(), str(session))
        return self._process.poll() == 0

    def close(self) -> None:
        """End the process; the next call begins anew."""
        if self._process:
            self._process.terminate()
            self._process.wait()
        self._process = None


def start(
    module: str, *arguments: str, stdout: int | None = None, stderr: int | None = None
) -> "subprocess.Popen[str]":
    """Run a module of ours in a process that ends with this one."""
    return subprocess.Popen(
        wrapped(sys.executable, "-m", module, *arguments),
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        # Ctrl-C is for the run alone, which ends its children itself.
        start_new_session=True,
    )
