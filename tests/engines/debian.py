"""Programs that the tests take from Debian: found, or installed where that is allowed."""

import os
import shutil
import subprocess
from collections.abc import Callable

from tests.engines.availability import EngineMissing

# Where Debian puts programs and servers; not everybody's PATH has all of them.
FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
UPDATE = ("apt-get", "update", "-qq")
INSTALL = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")
# No questions, and no service of its own: the tests start theirs on free ports.
QUIETLY = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


def program(*names: str) -> str | None:
    """The first of these programs that is on the PATH, or where Debian puts programs."""
    return next(filter(None, (shutil.which(name, path=_path()) for name in names)), None)


def needed(engine: str, package: str, *names: str) -> str:
    """The first of these programs, for tests that cannot do without.

    Raises:
        EngineMissing: naming the package, when none is there.
    """
    found = program(*names)
    if found is None:
        raise EngineMissing(engine, f"none is on the PATH; install Debian's {package}.")
    return found


def prepare(engine: str, package: str, is_there: Callable[[], object]) -> None:
    """Install the package when `is_there` says no, and where that is allowed.

    Raises:
        EngineMissing: naming the package, when it cannot be installed.
    """
    if is_there():
        return
    if os.geteuid() != 0 or not program(INSTALL[0]):
        raise EngineMissing(engine, f"none is on the PATH; install Debian's {package} (as root).")
    environment = os.environ | QUIETLY | {"PATH": _path()}
    for command in (UPDATE, (*INSTALL, package)):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise EngineMissing(engine, f"Debian's {package} cannot be installed: {done.stderr}")


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *FOLDERS])
