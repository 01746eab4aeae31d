"""Single wheels in folders of their own beside `.venv`, pinned by the lock files next to this."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from tests.engines.availability import EngineMissing

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"milvus-standalone": ".venv-milvus", "pymilvus26": ".venv-pymilvus26"}


def install(name: str) -> Path:
    """The folder that holds the wheel of `<name>.lock`, installed unless it is there already.

    Raises:
        EngineMissing: when pip cannot install it.
    """
    lock = Path(__file__).with_name(f"{name}.lock")
    folder = ROOT / FOLDERS[name]
    folder.mkdir(exist_ok=True)
    stamp = folder / "installed.lock"
    with (folder / "installing").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != lock.read_text():
            _install(name, lock, folder / "packages")
            stamp.write_text(lock.read_text())
    return folder / "packages"


def _install(name: str, lock: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--disable-pip-version-check", "--target", str(target), "--requirement", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EngineMissing(name, f"pip cannot install {lock.name}: {done.stderr[-2000:]}")
