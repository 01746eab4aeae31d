"""The processes of a session, by the kernel's list: no process leaves it by accident."""

import os
import signal
import time
from pathlib import Path

POLL_S = 0.05


def members(session: int) -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _is_in(entry, session)]


def ended(session: int, within_s: float) -> bool:
    """Whether all processes of the session have ended, within at most `within_s`."""
    deadline = time.monotonic() + within_s
    while members(session):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def kill(session: int) -> None:
    """Kill all that are left. Call it before the leader is reaped, which frees the number."""
    while pids := members(session):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(POLL_S)


def _is_in(entry: Path, session: int) -> bool:
    try:
        # The name in brackets may contain brackets and spaces (proc(5)).
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    state, _parent, _group, its_session = fields[:4]
    return int(its_session) == session and state not in {"Z", "X"}
