"""`make run` from outside: it serves, refuses, heals and stops as promised.

Two runs on one folder: the first is told of a Redis that comes late, and ends with its launcher
killed; the second is `make run` itself, on what it embeds.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from launch import sessions
from tests.acceptance.running import (
    HEAL_WITHIN_S,
    ROOT,
    START_WITHIN_S,
    STOP_WITHIN_S,
    Run,
    configuration,
    environment,
    flask,
    free_port,
    started,
    wait_until,
)
from tests.conftest import skip_when_switched_off
from tests.engines.redis import RedisServer

# What an address, a shell, an ini file or a format string takes for something of its own.
ODD_NAME = "RAG platform #1; 100%2F?x=1 %(x)s $HOME `id` 'a' \"b\" è"
PARTS = ("web", "worker", "reconciler", "milvus")
RAN = ("webapp", "jobs", "launch", "migrations", "templates", "static", "translations", "docs")


@dataclass
class First:
    """The first run, what stood on the terminal while Redis was away, and a tenant of it."""

    run: Run
    redis: RedisServer
    shown_without_redis: str
    served_without_redis: bool
    headers: dict[str, str]
    tenant: str


@pytest.fixture(scope="module")
def first(
    tmp_path_factory: pytest.TempPathFactory, new_directory: Callable[[str], Path]
) -> Iterator[First]:
    """One run that the tests of this module share; each but the last leaves it serving."""
    skip_when_switched_off("redis")
    # No name for a unix socket, so that the second run needs its private short folder too.
    root = checkout(tmp_path_factory.mktemp("product") / ("long-" * 25) / ODD_NAME)
    redis = RedisServer(new_directory("redis"), over_tcp=True)
    with started(root / "var", root=root, REDIS_URL=redis.url) as run:
        try:
            wait_until(lambda: "has died" in run.shown(), START_WITHIN_S, "what dies is named")
            shown, served = run.shown(), run.serves()
            redis.start()
            wait_until(lambda: "is ready" in run.shown(), START_WITHIN_S, "ready")
            made = flask(run, "tokens", "create", "--name", "first", "--role", "admin")
            headers = {"Authorization": f"Bearer {made.stdout.splitlines()[-1]}"}
            yield First(run, redis, shown, served, headers, provisioned(run, headers))
        finally:
            redis.kill()


@pytest.fixture
def product(first: First) -> Run:
    """The first run."""
    return first.run


def checkout(folder: Path) -> Path:
    for part in RAN:
        shutil.copytree(ROOT / part, folder / part)
    for file in ("wsgi.py", "create_milvus_partition.py", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    return folder


def provisioned(run: Run, headers: dict[str, str]) -> str:
    tenants = f"http://127.0.0.1:{run.port}/api/tenants"
    made = httpx.post(tenants, json={"name": "Acme"}, headers=headers, timeout=30).json()
    path = f"/api/tenants/{made['id']}"
    wait_until(lambda: state_of(run, path, headers) == "ready", START_WITHIN_S, "ready")
    return path


def state_of(run: Run, tenant: str, headers: dict[str, str]) -> str:
    answer = httpx.get(f"http://127.0.0.1:{run.port}{tenant}", headers=headers, timeout=30)
    return str(answer.json()["partition"]["status"])


def open_to_others(folder: Path) -> list[Path]:
    """What of the folder, itself included, anybody but its owner may read."""
    return [path for path in (folder, *folder.rglob("*")) if path.lstat().st_mode & 0o077]


def start(var_dir: Path, port: int, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "launch"],
        cwd=ROOT,
        env=environment(var_dir, port, **settings),
        capture_output=True,
        text=True,
        timeout=STOP_WITHIN_S,
        check=False,
    )


def test_it_is_not_called_ready_while_a_part_keeps_dying(first: First) -> None:
    assert first.served_without_redis
    complaint = first.shown_without_redis.partition("The part 'worker' has died 3 times")[2]
    assert f"connecting to {first.redis.url[8:-2]}" in complaint
    assert "is ready" not in first.shown_without_redis


def test_all_parts_run_when_the_panel_answers(product: Run) -> None:
    assert product.serves()
    for part in PARTS:
        wait_until(lambda part=part: product.pids(part), HEAL_WITHIN_S, part)
        assert (product.var_dir / "log" / f"{part}.log").exists()


def test_address_and_password_are_shown_once_when_it_is_ready(product: Run) -> None:
    shown = product.shown()
    assert shown.count(f"http://127.0.0.1:{product.port}/admin/") == 1
    assert len(re.findall(r"^ +Password +\S{8,}", shown, re.MULTILINE)) == 1
    assert "admin@example.com" in shown


def test_logs_of_the_parts_are_followed_when_they_write(product: Run) -> None:
    wait_until(lambda: re.search(r"^web +\| .*Listening", product.shown(), re.M), 10, "web's log")
    assert re.search(r"^setup +\| .*auth.user.created", product.shown(), re.M), "the first admin"
    # While Redis was away there was reason for some.
    assert "Traceback" not in product.shown().partition("is ready")[2]
    assert "setup plugin" not in product.shown(), "an import is no event of the product"


def test_second_run_is_refused_when_the_folder_is_in_use(product: Run) -> None:
    refused = start(product.var_dir, free_port())
    assert refused.returncode == 1
    assert f"VAR_DIR {product.var_dir}" in refused.stderr
    assert str(product.process.pid) in refused.stderr
    assert product.serves()


def test_message_names_port_when_it_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = start(tmp_path / "var", port)
    assert refused.returncode == 1
    assert f"PORT {port}" in refused.stderr
    assert "taken" in refused.stderr


def test_message_names_the_setting_when_it_is_unusable(tmp_path: Path) -> None:
    refused = start(tmp_path / "var", 8000, MILVUS_TIMEOUT="soon")
    assert refused.returncode == 2
    assert "MILVUS_TIMEOUT" in refused.stderr


@pytest.mark.parametrize("part", PARTS)
def test_part_comes_back_when_it_is_killed(product: Run, part: str) -> None:
    part_comes_back(product, part)


def part_comes_back(product: Run, part: str) -> None:
    wait_until(lambda: product.pids(part), HEAL_WITHIN_S, f"{part} runs")
    before = product.pids(part)
    os.kill(before[0], signal.SIGKILL)

    def is_new() -> bool:
        now = product.pids(part)
        return bool(now) and not set(now) & set(before)

    wait_until(is_new, HEAL_WITHIN_S, f"{part} is back")
    wait_until(product.serves, HEAL_WITHIN_S, "the panel answers")
    assert before[0] not in product.pids(part)


def test_web_worker_is_replaced_when_it_alone_is_killed(product: Run) -> None:
    wait_until(lambda: len(product.pids("web")) == 3, HEAL_WITHIN_S, "a master and two workers")
    killed = product.pids("web")[-1]
    os.kill(killed, signal.SIGKILL)
    wait_until(
        lambda: killed not in product.pids("web") and len(product.pids("web")) == 3,
        HEAL_WITHIN_S,
        "two workers again",
    )
    assert product.serves()


def test_everything_comes_back_when_the_supervisor_is_killed(product: Run) -> None:
    before = product.session()
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: product.session() != before, HEAL_WITHIN_S, "another supervisor")
    wait_until(product.serves, HEAL_WITHIN_S, "the panel answers")
    for part in PARTS:
        wait_until(lambda part=part: product.pids(part), HEAL_WITHIN_S, part)
    assert sessions.members(before) == []


def test_data_is_kept_and_nothing_is_left_when_make_runs_it_again_and_is_stopped(
    first: First, tmp_path: Path
) -> None:
    product, former = first.run, first.run.session()
    product.process.kill()
    product.process.wait()
    output = tmp_path / "out.txt"
    with output.open("wb") as terminal:
        make = subprocess.Popen(
            ["make", "run"],
            cwd=ROOT,
            env=environment(product.var_dir, product.port),
            stdout=terminal,
        )
    again = Run(product.var_dir, product.port, make, output)
    try:
        wait_until(lambda: "is ready" in again.shown(), START_WITHIN_S, "ready")
        assert sessions.members(former) == []
        assert "Password" not in again.shown()
        assert state_of(again, first.tenant, first.headers) == "ready"
        socket_path = embedded_parts_are_seen_by_a_second_terminal(again)
        part_comes_back(again, "redis")
        session = again.session()
    finally:
        make.terminate()
        make.wait(STOP_WITHIN_S)
    assert sessions.ended(session, STOP_WITHIN_S)
    assert open_to_others(product.var_dir) == []
    # The private folder is kept for the next run, which never comes here.
    socket_path.parent.rmdir()


def embedded_parts_are_seen_by_a_second_terminal(run: Run) -> Path:
    seen = configuration(run)
    milvus = Path(f"/proc/{run.pids('milvus')[0]}/cmdline").read_text().split("\0")
    assert seen["MILVUS_PORT"] == int(milvus[milvus.index("--port") + 1])
    redis = Path(str(seen["REDIS_URL"]).removeprefix("unix://"))
    assert redis.is_socket()
    shown = r"^redis +\| .*ready"
    wait_until(lambda: re.search(shown, run.shown(), re.I | re.M), 10, "redis's log")
    return redis
