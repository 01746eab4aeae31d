"""The set-up before the product serves: tables, numbers, an admin, a collection."""

import os
import subprocess
import sys
import threading
from dataclasses import dataclass

from launch.errors import StartError
from launch.follow import say
from launch.parts import tethered
from launch.settings import PROJECT_ROOT, RunSettings

POLL_S = 0.1
MILVUS_WAIT_S = 30
# The prefix of lines for the terminal.
WARNING = "Warning:"


class Stopped(Exception):
    """The user asked to stop during the set-up."""


@dataclass(frozen=True)
class _Step:
    process: subprocess.Popen[str]
    failure: str


def prepare(settings: RunSettings, stop: threading.Event) -> str | None:
    """Migrate, lift the numbers, make the first admin, and beside it an embedded collection.

    Idempotent. Returns the first admin's password when it was generated now.

    Raises:
        StartError: a step failed, with its complaint.
        Stopped: `stop` was set meanwhile; no step runs any more.
    """
    first = _begin("launch.first_steps", failure="The database could not be prepared")
    collection = _begin_collection(settings) if settings.milvus_is_embedded else None
    try:
        password = _without_warnings(_finish(first, stop))
        if collection:
            _finish(collection, stop)
    finally:
        _end(first)
        if collection:
            _end(collection)
    return password or None


def _begin_collection(settings: RunSettings) -> _Step:
    return _begin(
        "jobs.milvus.embedded",
        *("--uri", settings.milvus_address, "--collection", settings.milvus_collection),
        *("--wait", str(MILVUS_WAIT_S)),
        failure=f"Milvus Lite is not ready, see {settings.var_dir / 'log' / 'milvus.log'}",
    )


def _begin(module: str, *arguments: str, failure: str) -> _Step:
    process = subprocess.Popen(
        tethered(sys.executable, "-m", module, *arguments),
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return _Step(process, failure)


def _finish(step: _Step, stop: threading.Event) -> str:
    while True:
        try:
            output, complaint = step.process.communicate(timeout=POLL_S)
            break
        except subprocess.TimeoutExpired:
            if stop.is_set():
                raise Stopped from None
    if stop.is_set():
        raise Stopped
    complaint = complaint.strip()
    if step.process.returncode == os.EX_UNAVAILABLE:
        raise StartError(f"{step.failure}:\n{complaint.splitlines()[-1]}")
    if step.process.returncode:
        raise StartError(f"{step.failure}:\n{complaint}")
    return output


def _without_warnings(output: str) -> str:
    """The output without warnings, which are printed."""
    lines = output.splitlines()
    for line in lines:
        if line.startswith(WARNING):
            say(f"{line}\n")
    return "\n".join(line for line in lines if not line.startswith(WARNING)).strip()


def _end(step: _Step) -> None:
    step.process.terminate()
    step.process.communicate()
