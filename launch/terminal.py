"""What a run shows: its own messages, and what the parts write to their logs."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from launch.errors import StartError


def say(text: str) -> None:
    """Write to the terminal at once; a closed terminal is no error."""
    try:
        # Not through sys.stdout: a blocked reader would hold its lock, and block the end.
        os.write(1, text.encode(errors="replace"))
    except OSError:
        return


@contextmanager
def following(log_dir: Path, names: Sequence[str]) -> Iterator[None]:
    """Show new lines of each part's log for the duration of the block, the part's name in front."""
    width = max(map(len, names))
    if not shutil.which("tail"):
        raise StartError("The command `tail`, of GNU's coreutils, is not on the PATH.")
    tails = [_tail(log_dir / f"{name}.log", f"{name:<{width}} | ") for name in names]
    try:
        yield
    finally:
        for tail in tails:
            tail.terminate()
            tail.wait()


def _tail(log: Path, prefix: str) -> "subprocess.Popen[bytes]":
    tail = subprocess.Popen(
        # It goes on with the file that replaces a rotated one, and ends with this process.
        ["tail", "-n0", "-F", f"--pid={os.getpid()}", str(log)],  # noqa: S607
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Ctrl-C is for the run alone: what the parts write as they stop is shown too.
        start_new_session=True,
    )
    threading.Thread(target=_show, args=(tail.stdout, prefix), daemon=True).start()
    return tail


def _show(lines: BinaryIO, prefix: str) -> None:
    with lines:
        for line in lines:
            say(f"{prefix}{line.decode(errors='replace')}")
