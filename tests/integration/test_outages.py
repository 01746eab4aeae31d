"""A database or a Redis that cannot be used: one line that names the setting, and no traceback."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from tests.acceptance.running import ROOT, environment
from tests.engines.process import free_port
from tests.engines.redis import RedisServer
from tests.factories import migrate

SECRET = "canary-7f3a9"
FLASK = [sys.executable, str(Path(sys.executable).parent / "flask")]
LAUNCH = [sys.executable, "-m", "launch"]


def run(command: list[str], var_dir: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command as a user starts it; no Milvus is asked but one that answers nobody."""
    settings = {"MILVUS_URI": "http://127.0.0.1:9", "SECRET_KEY": "x" * 40, **settings}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(var_dir, free_port(), **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done


def nowhere() -> str:
    return f"postgresql://paratia:{SECRET}@127.0.0.1:{free_port()}/paratia"


@pytest.mark.parametrize(
    ("command", "code"),
    [("partitions status", 1), ("partitions verify", 3)],
)
def test_command_says_in_one_line_that_the_database_does_not_answer(
    tmp_path: Path, command: str, code: int
) -> None:
    done = run([*FLASK, *command.split()], tmp_path, DATABASE_URL=nowhere())
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert "DATABASE_URL: the database cannot be used: connection failed" in line
    assert "Connection refused" in line


@pytest.mark.parametrize(
    "command", ["partitions status", "partitions reconcile --once", "worker --burst"]
)
def test_command_says_in_one_line_that_there_are_no_tables(
    tmp_path: Path, redis_url: str, command: str
) -> None:
    done = run([*FLASK, *command.split()], tmp_path, REDIS_URL=redis_url)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line == "The database has no tables yet: run `flask db upgrade`."


def test_traceback_is_logged_when_the_level_is_debug(tmp_path: Path) -> None:
    # Without the helper, which refuses what is asked for here.
    done = subprocess.run(
        [*FLASK, "partitions", "status"],
        cwd=ROOT,
        env=environment(
            tmp_path, 8000, SECRET_KEY="x" * 40, LOG_LEVEL="DEBUG", DATABASE_URL=nowhere()
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    *_others, logged, line = done.stderr.splitlines()
    assert line.startswith("DATABASE_URL: ")
    assert '"process.ended"' in logged
    assert "Traceback" in logged
    assert SECRET not in done.stderr


def test_start_ends_in_two_lines_when_the_database_does_not_answer(tmp_path: Path) -> None:
    address = f"redis://127.0.0.1:{free_port()}"
    done = run(LAUNCH, tmp_path, DATABASE_URL=nowhere(), REDIS_URL=address)
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first == "The database could not be prepared:"
    assert second.startswith("DATABASE_URL: the database cannot be used: connection failed")


def with_room_for(size: int, command: list[str]) -> list[str]:
    """The command, whose files cannot grow beyond this size, as on a disk that is full."""
    return ["prlimit", f"--fsize={size}", *command]


def test_start_ends_in_a_line_when_nothing_can_be_written(tmp_path: Path) -> None:
    done = run(with_room_for(0, LAUNCH), tmp_path / "none")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"VAR_DIR {tmp_path / 'none'} cannot be used: ")
    address = f"redis://127.0.0.1:{free_port()}"
    full = run(with_room_for(60_000, LAUNCH), tmp_path / "full", REDIS_URL=address)
    _first, second = full.stderr.splitlines()
    assert second.startswith(f"VAR_DIR {tmp_path / 'full'}: the database cannot be used: ")
    assert (done.returncode, full.returncode) == (1, 1)


def test_worker_says_in_one_line_that_redis_does_not_answer(tmp_path: Path) -> None:
    port = free_port()
    migrate(f"sqlite:///{tmp_path}/paratia.db", tmp_path)
    done = run([*FLASK, "worker"], tmp_path, REDIS_URL=f"redis://:{SECRET}@127.0.0.1:{port}/0")
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"REDIS_URL: the Redis at redis://:********@127.0.0.1:{port}/0 cannot")
    assert f"connecting to 127.0.0.1:{port}" in line


def test_worker_names_the_remedy_when_redis_refuses_writes(
    tmp_path: Path, spare_redis: Callable[..., RedisServer]
) -> None:
    server = spare_redis()
    with Redis.from_url(server.url) as redis:
        redis.config_set("maxmemory", 1)
    migrate(f"sqlite:///{tmp_path}/paratia.db", tmp_path)
    done = run([*FLASK, "worker"], tmp_path, REDIS_URL=server.url)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert "takes no writes; its memory is full: raise maxmemory" in line
