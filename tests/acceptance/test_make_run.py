"""`make run` from outside: it serves, refuses, heals and stops as promised."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch import sessions
from tests.acceptance.running import (
    HEAL_WITHIN_S,
    NAMES,
    ROOT,
    START_WITHIN_S,
    STOP_WITHIN_S,
    Run,
    configuration,
    environment,
    flask,
    free_port,
    running,
    started,
    wait_until,
)

# What an address, a shell, an ini file or a format string takes for something of its own.
ODD_NAME = "RAG platform #1; 100%2F?x=1 %(x)s $HOME `id` 'a' \"b\" è"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run that the tests of this module share; each but the last leaves it serving."""
    with running(tmp_path_factory.mktemp("product") / "var") as run:
        yield run


def start(var_dir: Path, port: int) -> subprocess.CompletedProcess[str]:
    """A run that is expected to be refused."""
    return subprocess.run(
        [sys.executable, "-m", "launch"],
        cwd=ROOT,
        env=environment(var_dir, port),
        capture_output=True,
        text=True,
        timeout=STOP_WITHIN_S,
        check=False,
    )


def test_all_parts_run_when_the_panel_answers(product: Run) -> None:
    assert product.serves()
    for part in NAMES:
        wait_until(lambda part=part: product.pids(part), HEAL_WITHIN_S, part)
        assert (product.var_dir / "log" / f"{part}.log").exists()


def test_address_and_password_are_shown_once_when_it_is_ready(product: Run) -> None:
    shown = product.shown()
    assert shown.count(f"http://127.0.0.1:{product.port}/admin/") == 1
    assert len(re.findall(r"^ +Password +\S{8,}", shown, re.MULTILINE)) == 1
    assert "admin@example.com" in shown


def test_logs_of_the_parts_are_followed_when_they_write(product: Run) -> None:
    wait_until(lambda: re.search(r"^web +\| .*Listening", product.shown(), re.M), 10, "web's log")
    wait_until(
        lambda: re.search(r"^redis +\| .*ready", product.shown(), re.I | re.M), 10, "redis's log"
    )
    assert "Traceback" not in product.shown()


def test_second_terminal_sees_the_same_addresses_when_it_runs_a_command(product: Run) -> None:
    seen = configuration(product)
    assert seen["REDIS_URL"] == f"unix://{product.var_dir / 'redis.sock'}"
    milvus = Path(f"/proc/{product.pids('milvus')[0]}/cmdline").read_text().split("\0")
    assert seen["MILVUS_PORT"] == int(milvus[milvus.index("--port") + 1])


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
    refused = subprocess.run(
        [sys.executable, "-m", "launch"],
        cwd=ROOT,
        env=environment(tmp_path / "var", 8000, MILVUS_TIMEOUT="soon"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "MILVUS_TIMEOUT" in refused.stderr


def test_it_is_not_called_ready_when_a_part_keeps_dying(tmp_path: Path) -> None:
    nobody = free_port()
    address = {"REDIS_URL": f"redis://127.0.0.1:{nobody}/0", "MILVUS_PORT": str(nobody)}
    with started(tmp_path / "var", **address) as run:
        wait_until(lambda: "has died" in run.shown(), START_WITHIN_S, "what dies is named")
        assert run.serves()
        assert run.stop() == 0
    complaint = run.shown().partition("The part 'worker' has died 3 times")[2]
    assert f"connecting to 127.0.0.1:{nobody}" in complaint
    assert "is ready" not in run.shown()
    # It was made, and is shown only once.
    assert len(re.findall(r"^ +Password +\S{8,}", run.shown(), re.MULTILINE)) == 1


@pytest.mark.parametrize("part", NAMES)
def test_part_comes_back_when_it_is_killed(product: Run, part: str) -> None:
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
    for part in NAMES:
        wait_until(lambda part=part: product.pids(part), HEAL_WITHIN_S, part)
    assert sessions.members(before) == []


def test_nothing_is_left_and_data_is_kept_when_it_is_stopped(tmp_path: Path) -> None:
    # No name for a unix socket, so that this run needs its private short folder too.
    root = checkout(tmp_path / ("long-" * 25) / ODD_NAME)
    var_dir = root / "var"
    port = free_port()
    with running(var_dir, port, root) as run:
        session, first = run.session(), configuration(run)
        provision_tenant_7(run, tmp_path)
        assert run.stop() == 0
        assert sessions.members(session) == []
    assert open_to_others(var_dir) == []
    with running(var_dir, port, root) as again:
        assert configuration(again)["REDIS_URL"] == first["REDIS_URL"]
        assert "Password" not in again.shown()
        status = flask(again, "partitions", "status", "--tenant-id", "7", "--json")
        assert json.loads(status.stdout)["status"] == "ready"
    # The private folder is kept for the next run, which never comes here.
    Path(str(first["REDIS_URL"]).removeprefix("unix://")).parent.rmdir()


def checkout(folder: Path) -> Path:
    """What of the project runs, in another folder."""
    parts = (
        "webapp",
        "jobs",
        "launch",
        "migrations",
        "templates",
        "static",
        "translations",
        "docs",
    )
    for part in parts:
        shutil.copytree(ROOT / part, folder / part)
    for file in ("wsgi.py", "create_milvus_partition.py", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    return folder


def open_to_others(folder: Path) -> list[Path]:
    """What of the folder, itself included, anybody but its owner may read."""
    return [path for path in (folder, *folder.rglob("*")) if path.lstat().st_mode & 0o077]


def provision_tenant_7(run: Run, folder: Path) -> None:
    (folder / "tenants.csv").write_text("id,name,slug\n7,Acme,acme\n")
    assert flask(run, "tenants", "import", str(folder / "tenants.csv")).returncode == 0
    assert flask(run, "partitions", "backfill", "--wait").returncode == 0


def test_nothing_is_left_and_make_runs_it_again_when_the_launcher_is_killed(
    product: Run, tmp_path: Path
) -> None:
    former = product.session()
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
    try:
        wait_until(lambda: "is ready" in output.read_text(), START_WITHIN_S, "ready")
        assert product.serves()
        assert sessions.members(former) == []
        session = product.session()
    finally:
        make.terminate()
        make.wait(STOP_WITHIN_S)
    assert sessions.ended(session, STOP_WITHIN_S)
