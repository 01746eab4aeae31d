"""Runs a program that ends with its parent, and that never restarts in a tight loop.

Run as a file, on the standard library alone: `python wrapper.py [options] COMMAND…`. The command
replaces this process, and so keeps its pid.
"""

import argparse
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1  # prctl(2)
PAUSE_S = 3.0
GATE_POLL_S = 0.05


def end_with_parent(signum: int = signal.SIGTERM) -> None:
    """Have the kernel send `signum` to this process when its parent dies."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent:
        os.kill(os.getpid(), signum)


def wait_for_turn(stamp: Path, pause_s: float = PAUSE_S) -> None:
    """Wait until `pause_s` have passed since the last start, whose time the stamp has.

    A part that ran for longer restarts at once; one that dies at its start is retried with pauses.
    """
    try:
        # Where the clock was set back, wait at most `pause_s`.
        age_s = max(time.time() - stamp.stat().st_mtime, 0)
        time.sleep(max(pause_s - age_s, 0))
    except FileNotFoundError:
        pass
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()


def main() -> None:
    """Wait as the options say, then become the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--paced-by", type=Path, metavar="FILE")
    parser.add_argument("--after", type=Path, metavar="FILE", help="wait until it exists")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    end_with_parent()
    if options.paced_by:
        wait_for_turn(options.paced_by)
    while options.after and not options.after.exists():
        time.sleep(GATE_POLL_S)
    try:
        os.execvp(options.command[0], options.command)  # noqa: S606  replacing this process is the point
    except OSError as error:
        sys.exit(f"{options.command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
