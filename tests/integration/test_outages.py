"""A database or a Redis that cannot be used: one line that names the setting, and no traceback."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from tests.acceptance.running import ROOT, environment
from tests.engines.process import free_port, wait_until
from tests.engines.redis import RedisServer
from tests.factories import migrate
from webapp.db.session import open_database
from webapp.models.process import ProcessKind
from webapp.processes.liveness import processes
from webapp.queue.redis_writes import Refusal

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
    done = run(
        [*FLASK, "worker", "--burst"], tmp_path, REDIS_URL=f"redis://:{SECRET}@127.0.0.1:{port}/0"
    )
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"REDIS_URL: the Redis at redis://:********@127.0.0.1:{port}/0 cannot")
    assert f"connecting to 127.0.0.1:{port}" in line


@pytest.fixture
def full_redis(spare_redis: Callable[..., RedisServer]) -> Iterator[Redis]:
    """A Redis that takes no writes, and what frees it."""
    with Redis.from_url(spare_redis().url) as redis:
        redis.config_set("maxmemory", 1)
        yield redis


def address_of(redis: Redis) -> str:
    return f"unix://{redis.connection_pool.connection_kwargs['path']}"


@contextmanager
def waiting_worker(var_dir: Path, **settings: str) -> Iterator[Callable[[], list[str]]]:
    """A worker as a supervisor starts it; yields what reads the events of its log."""
    settings = {"MILVUS_URI": "http://127.0.0.1:9", "SECRET_KEY": "x" * 40, **settings}
    output = var_dir / "worker.log"
    with output.open("w") as stream:
        process = subprocess.Popen(
            [*FLASK, "worker"],
            cwd=ROOT,
            env=environment(var_dir, free_port(), **settings),
            stdout=stream,
            stderr=stream,
        )
    try:
        # Each line is JSON.
        yield lambda: [json.loads(line)["event"] for line in output.read_text().splitlines()]
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_worker_waits_with_one_line_until_redis_takes_writes(
    tmp_path: Path, full_redis: Redis
) -> None:
    address = f"sqlite:///{tmp_path}/paratia.db"
    migrate(address, tmp_path)
    seen = partial(open_database(address).read, processes)
    with waiting_worker(tmp_path, REDIS_URL=address_of(full_redis)) as events:
        wait_until(lambda: "redis.waits" in events(), 30, "the worker to wait")
        (worker,) = wait_until(lambda: seen().of(ProcessKind.WORKER), 20, "its sign of life")
        assert worker.refusal == Refusal.MEMORY
        full_redis.config_set("maxmemory", 0)
        wait_until(lambda: "worker.started" in events(), 20, "the worker to begin")
        # It lives on when that comes again.
        full_redis.config_set("maxmemory", 1)
        full_redis.client_kill_filter(_type="normal", skipme=True)
        wait_until(lambda: events().count("redis.waits") == 2, 60, "the worker to wait again")
        full_redis.config_set("maxmemory", 0)
        wait_until(lambda: events().count("redis.reached") == 2, 20, "the worker to go on")
    assert seen().of(ProcessKind.WORKER) == []


def test_worker_that_waits_for_tables_or_redis_stops_in_order(
    tmp_path: Path, full_redis: Redis
) -> None:
    with waiting_worker(tmp_path, REDIS_URL=address_of(full_redis)) as events:
        wait_until(lambda: events() == ["schema.waits"], 30, "the worker to wait")
    address = f"sqlite:///{tmp_path}/paratia.db"
    migrate(address, tmp_path)
    with waiting_worker(tmp_path, REDIS_URL=address_of(full_redis)) as events:
        wait_until(lambda: "redis.waits" in events(), 30, "the worker to wait")
    assert not open_database(address).read(processes).of(ProcessKind.WORKER)


def test_worker_names_the_remedy_when_redis_refuses_writes(
    tmp_path: Path, spare_redis: Callable[..., RedisServer]
) -> None:
    server = spare_redis()
    with Redis.from_url(server.url) as redis:
        redis.config_set("maxmemory", 1)
    migrate(f"sqlite:///{tmp_path}/paratia.db", tmp_path)
    done = run([*FLASK, "worker", "--burst"], tmp_path, REDIS_URL=server.url)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert "takes no writes; its memory is full: raise maxmemory" in line
