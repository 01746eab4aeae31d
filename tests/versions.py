"""Starts the product, and runs the unit tests, on each Python of this machine that it is made for.

Run as `python -m tests.versions`, by `make versions`. Each Python gets a fresh checkout, in a
folder whose name has a space and a '#', and a PATH with nothing on it but make, a shell, the
core utilities and itself: no redis-server above all. The Python that runs this is left out,
since `make test` has tested on it.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.engines.process import free_port, wait_until

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (3, 11)
# What is usual is 75 s; a slow network or a busy machine must not fail it.
INSTALL_WITHIN_S = 900
READY_WITHIN_S = 60
STOP_WITHIN_S = 25
COREUTILS = ("env", "mkdir", "mktemp", "rm", "touch", "tail")
# What of requirements-dev.txt the unit tests import.
UNIT = re.compile(
    r"(anyio|execnet|h11|httpcore|httpx|hypothesis|iniconfig|pluggy|pygments|pytest"
    r"|pytest-timeout|pytest-xdist|sortedcontainers)=="
)
ASK = "import sys; print(*sys.version_info[:2], sys._base_executable)"


def main() -> int:
    found = pythons()
    own = sys.version_info[:2]
    others = {version: path for version, path in found.items() if version != own}
    print("Pythons on this machine:", *(_name(version) for version in sorted(found)))
    failures = 0
    for version, python in sorted(others.items()):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="paratia-") as folder:
            failures += not passes(python, Path(folder))
        print(f"Python {_name(version)}: {time.monotonic() - began:.0f} s", flush=True)
    return failures


def pythons() -> dict[tuple[int, int], Path]:
    """One interpreter for each version from OLDEST: on the PATH, else pyenv's newest of it."""
    folders = [Path(folder) for folder in os.get_exec_path()]
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    on_path = [file for folder in folders for file in sorted(folder.glob("python3*"))]
    installed = sorted(pyenv.glob("versions/*/bin/python3"), reverse=True)
    found: dict[tuple[int, int], Path] = {}
    for file in (*on_path, *installed):
        if re.fullmatch(r"python3(\.\d+)?", file.name) and (known := _asked(file)):
            found.setdefault(*known)
    return {version: path for version, path in found.items() if version >= OLDEST}


def passes(python: Path, folder: Path) -> bool:
    """Whether the first start and the unit tests succeed there; what does not is printed."""
    checkout = _checkout(folder / "RAG platform #1")
    # Not the project's, so nothing may read it; `flask` by itself would, and fail.
    (folder / ".env").write_text("LOG_LEVEL=loud\n", encoding="utf-16")
    environment = {
        "PATH": str(_path(folder / "bin", python)),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
    }
    terminal = folder / "terminal.txt"
    try:
        with _running(checkout, environment, terminal) as port:
            _make_the_first_tenant(checkout, environment, port)
    except (TimeoutError, OSError, ValueError, httpx.HTTPError) as error:
        print(f"{error}\n{terminal.read_text()[-5000:]}")
        return False
    return _unit_tests_pass(checkout)


def _checkout(folder: Path) -> Path:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def _path(folder: Path, python: Path) -> Path:
    folder.mkdir()
    (folder / "python3").symlink_to(python)
    for name in ("make", "sh", *COREUTILS):
        program = shutil.which(name)
        if program is None:
            raise OSError(f"{name} is not on the PATH")
        (folder / name).symlink_to(program)
    return folder


@contextlib.contextmanager
def _running(checkout: Path, environment: dict[str, str], terminal: Path) -> Iterator[int]:
    port = free_port()
    with terminal.open("wb") as output:
        make = subprocess.Popen(
            [environment["PATH"] + "/make", "run"],
            cwd=checkout,
            env=environment | {"PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(
            lambda: "is ready" in terminal.read_text() or make.poll() is not None,
            INSTALL_WITHIN_S,
            "make run to be ready",
        )
        yield port
    finally:
        make.send_signal(signal.SIGTERM)
        make.wait(STOP_WITHIN_S)


def _make_the_first_tenant(checkout: Path, environment: dict[str, str], port: int) -> None:
    command = [".venv/bin/flask", "tokens", "create", "--name", "signup", "--role", "operator"]
    done = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"flask tokens create: {done.stderr}")
    bearer = {"Authorization": f"Bearer {done.stdout.splitlines()[-1]}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=bearer, timeout=30) as client:
        made = client.post("/api/tenants", json={"name": "Acme S.p.A."}).raise_for_status()
        tenant = f"/api/tenants/{made.json()['id']}"
        is_ready = lambda: client.get(tenant).json()["partition"]["status"] == "ready"  # noqa: E731
        wait_until(is_ready, READY_WITHIN_S, "the first tenant to be ready")


def _unit_tests_pass(checkout: Path) -> bool:
    python = str(checkout / ".venv" / "bin" / "python")
    pinned = (checkout / "requirements-dev.txt").read_text()
    wanted = checkout / "var" / "unit.txt"
    wanted.write_text("".join(_blocks(pinned)))
    for words in (
        ("pip", "install", "-qq", "--disable-pip-version-check", "--require-hashes", "-r", wanted),
        ("pytest", "-q", "-n", "2", "tests/unit"),
    ):
        done = subprocess.run([python, "-m", *map(str, words)], cwd=checkout, check=False)
        if done.returncode:
            return False
    return True


def _blocks(pinned: str) -> Iterator[str]:
    for block in re.split(r"^(?=[a-z])", pinned, flags=re.MULTILINE):
        if UNIT.match(block):
            yield block


def _asked(python: Path) -> tuple[tuple[int, int], Path] | None:
    """Version and true place of an interpreter; pyenv's stand-ins for what is not chosen fail."""
    answer = subprocess.run(
        [str(python), "-I", "-c", ASK], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        return None
    major, minor, place = answer.stdout.strip().split(" ", 2)
    return (int(major), int(minor)), Path(place)


def _name(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


if __name__ == "__main__":
    sys.exit(main())
