"""A wrapped program ends with its parent and does not restart in a tight loop."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from launch.parts import wrapped
from launch.wrapper import wait_for_turn
from tests.acceptance.running import wait_until

SLEEP = "import time; time.sleep(60)"


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_program_ends_when_its_parent_is_killed() -> None:
    child = shlex.join(wrapped(sys.executable, "-c", SLEEP))
    parent = subprocess.Popen(["sh", "-c", f"{child} & echo $!; wait"], stdout=subprocess.PIPE)
    assert parent.stdout
    pid = int(parent.stdout.readline())
    command = Path(f"/proc/{pid}/cmdline")
    own = b"\0".join([os.fsencode(sys.executable), b"-c", SLEEP.encode(), b""])
    wait_until(lambda: command.read_bytes() == own, 10, "it runs")
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_running(pid), 10, "it ended")


def test_turn_waits_when_the_last_one_was_just_now(tmp_path: Path) -> None:
    stamp = tmp_path / "run" / "web.started"
    wait_for_turn(stamp, pause_s=0.3)
    began = time.monotonic()
    wait_for_turn(stamp, pause_s=0.3)
    assert time.monotonic() - began > 0.2


def test_turn_comes_at_once_when_the_last_one_is_long_ago(tmp_path: Path) -> None:
    stamp = tmp_path / "web.started"
    stamp.touch()
    os.utime(stamp, (0, 0))
    began = time.monotonic()
    wait_for_turn(stamp, pause_s=30)
    assert time.monotonic() - began < 5


def test_program_starts_when_its_gate_opens(tmp_path: Path) -> None:
    gate = tmp_path / "prepared"
    waiting = subprocess.Popen(wrapped(sys.executable, "-c", "", after=gate))
    assert waiting.poll() is None
    gate.touch()
    assert waiting.wait(10) == 0


def test_missing_program_is_named_when_it_cannot_start() -> None:
    done = subprocess.run(wrapped("/no/such/program"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "/no/such/program" in done.stderr
