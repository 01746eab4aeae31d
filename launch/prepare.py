"""The set-up before the product serves: tables, numbers, an admin, a collection."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from launch.children import start
from launch.errors import StartError
from launch.settings import RunSettings
from launch.terminal import say

POLL_S = 0.1
MILVUS_WAIT_S = 30
# The prefix of lines for the terminal.
WARNING = "Warning:"


class Stopped(Exception):
    """The user asked to stop during the set-up."""


def prepare(settings: RunSettings, stop: threading.Event) -> str | None:
    """Migrate, lift the numbers, make the first admin, and beside it an embedded collection.

    Idempotent. Returns the first admin's password when it was generated now.

    Raises:
        StartError: a step failed, with its complaint.
        Stopped: `stop` was set meanwhile; no step runs any more.
    """
    with ExitStack() as ending:
        first = ending.enter_context(_step("launch.first_steps"))
        steps = [(first, "The database could not be prepared")]
        if settings.milvus_is_embedded:
            where = ("--uri", settings.milvus_address, "--collection", settings.milvus_collection)
            wait = ("--wait", str(MILVUS_WAIT_S))
            collection = ending.enter_context(_step("jobs.milvus.embedded", *where, *wait))
            log = settings.var_dir / "log" / "milvus.log"
            steps.append((collection, f"Milvus Lite is not ready, see {log}"))
        outputs = [_finish(step, failure, stop) for step, failure in steps]
    return _without_warnings(outputs[0]) or None


@contextmanager
def _step(module: str, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    process = start(module, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def _finish(step: "subprocess.Popen[str]", failure: str, stop: threading.Event) -> str:
    while True:
        try:
            output, complaint = step.communicate(timeout=POLL_S)
            break
        except subprocess.TimeoutExpired:
            if stop.is_set():
                raise Stopped from None
    if stop.is_set():
        raise Stopped
    complaint = complaint.strip()
    if step.returncode == os.EX_UNAVAILABLE:
        raise StartError(f"{failure}:\n{complaint.splitlines()[-1]}")
    if step.returncode:
        raise StartError(f"{failure}:\n{complaint}")
    return output


def _without_warnings(output: str) -> str:
    """The output without warnings, which are printed."""
    lines = output.splitlines()
    for line in lines:
        if line.startswith(WARNING):
            say(f"{line}\n")
    return "\n".join(line for line in lines if not line.startswith(WARNING)).strip()
