"""The script provider: runs create_milvus_partition.py in a process group of its own."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from create_milvus_partition import mask, redact
from jobs.milvus.store import NO_TLS, StoreError
from webapp.models.causes import Cause

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "create_milvus_partition.py"
# The script's deadline begins after its import of pymilvus (0.5 to 1.3 s measured). With the
# wait for the lock and this, a run stays within the lease of its claim (2 time-outs and 5 s).
IMPORT_ALLOWANCE_S = 4.0
LOCK_POLL_S = 0.05
MADE = ("created", "already_exists")
# What the interpreter, OpenSSL and gRPC read, so that both providers connect in the same way.
PASSED_ON = re.compile(
    r"PATH|LANG|LC_ALL|HOME|TMPDIR|SSL_CERT_FILE|PYTHON.*|GRPC_.*|(?i:(grpc|https?|no|no_grpc)_proxy)"
)


@dataclass(frozen=True)
class ScriptAnswer:
    """The script's proof; `rows` of a partition that existed before, where known."""

    result: Literal["created", "already_exists", "exists", "absent"]
    rows: int | None = None


def run_script(
    uri: str,
    token: str,
    collection: str,
    partition: str,
    timeout_s: float,
    script: Path = SCRIPT,
    *,
    check: bool = False,
    tls: Mapping[str, str] = NO_TLS,
) -> ScriptAnswer:
    """Create the partition by the script, or with `check` find out whether it exists.

    One script runs at a time on a machine. Ends within `timeout_s` for the wait and `timeout_s` +
    IMPORT_ALLOWANCE_S for the work; then no process of its group is left.

    Raises:
        StoreError: with the script's cause; `timeout` for the wait or the work; `unexpected` for
            an answer that cannot be read.
    """
    command = [sys.executable, str(script), f"--uri={uri}", f"--collection={collection}"]
    command += [f"--partition={partition}", f"--timeout={timeout_s:g}"]
    command += ["--check"] if check else []
    try:
        with _machine_lock(timeout_s):
            environment = {**_environment(token), **tls}
            output, errors = _run(command, environment, timeout_s + IMPORT_ALLOWANCE_S)
    except OSError as error:
        raise StoreError(Cause.UNEXPECTED, f"the script cannot be run: {error}") from None
    return _read(output, errors, token, ("exists", "absent") if check else MADE)


@contextmanager
def _machine_lock(timeout_s: float) -> Iterator[None]:
    # The kernel releases the lock when this process dies.
    ends_at = time.monotonic() + timeout_s
    path = Path(tempfile.gettempdir()) / f"paratia-script-{os.getuid()}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while not _try_lock(handle):
            if time.monotonic() >= ends_at:
                raise StoreError(
                    Cause.TIMEOUT, f"another run of the script took over {timeout_s:g} s"
                )
            time.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _run(command: list[str], environment: Mapping[str, str], timeout_s: float) -> tuple[str, str]:
    """Its stdout and stderr. The whole process group is killed in every case."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise StoreError(Cause.TIMEOUT, f"the script took over {timeout_s:g} s") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return output.decode(errors="replace"), errors.decode(errors="replace")


def _environment(token: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
    return kept | {"MILVUS_TOKEN": token}


def _read(output: str, errors: str, token: str, expected: tuple[str, str]) -> ScriptAnswer:
    answer = _parsed(output)
    result, rows = answer.get("result"), answer.get("rows")
    if result in expected:
        return ScriptAnswer(result, rows if type(rows) is int and rows >= 0 else None)
    with suppress(ValueError):
        cause = Cause(str(answer.get("cause")))
        raise StoreError(cause, redact(str(answer.get("message", "")), token))
    text = _end_of(errors, token) or _end_of(output, token) or "nothing"
    raise StoreError(Cause.UNEXPECTED, f"the script's answer cannot be read; it wrote: {text}")


def _end_of(written: str, token: str) -> str:
    # Masked before it is cut: a part of the token would not be recognized.
    return redact(mask(written, (token,))[-400:], token)


def _parsed(output: str) -> dict[str, Any]:
    try:
        answer = json.loads(output)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
