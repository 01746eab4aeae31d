"""The virtual environment of the peers and the plots, made when it is first needed."""

import fcntl
import subprocess
import sys

from bench.processes import ROOT

FOLDER = ROOT / ".venv-bench"
BIN = FOLDER / "bin"
LOCK = ROOT / "requirements-bench.txt"


def prepare() -> None:
    """Make the environment and install what `requirements-bench.txt` pins; quick when it is there.

    Raises:
        RuntimeError: with pip's last words, when it cannot install it.
    """
    FOLDER.mkdir(exist_ok=True)
    stamp = FOLDER / "installed.txt"
    with (FOLDER / "installing").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == LOCK.read_text():
            return
        _run(sys.executable, "-m", "venv", str(FOLDER))
        pip = (str(BIN / "python"), "-m", "pip", "install", "--quiet", "--require-hashes")
        _run(*pip, "--disable-pip-version-check", "--requirement", str(LOCK))
        stamp.write_text(LOCK.read_text())


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{FOLDER.name} cannot be made: {done.stderr[-2000:]}")
