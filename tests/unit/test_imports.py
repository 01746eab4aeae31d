"""What a process does not need, it does not import: that is most of its start and its memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PANEL = {"alembic", "argon2", "babel", "flask_admin", "flask_babel", "flask_compress"}
PANEL |= {"flask_migrate", "flask_security", "flask_wtf", "markdown_it", "rq_dashboard", "wtforms"}
FLASK = {"apiflask", "flask", "flask_sqlalchemy", "marshmallow", "werkzeug"}
SDK = {"grpc", "numpy", "pandas", "pymilvus"}
# Runs what stands behind it, and says last what is in memory.
TOLD = """
import json, sys
try:
    {code}
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)))
"""
COMMAND = "import flask.cli; sys.argv = {words!r}; flask.cli.main()"
COMMANDS = ("partitions status", "audit", "tenants restore --tenant-id 1")
TABLES = "webapp.models.base"


def run(code: str, var_dir: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", TOLD.format(code=code)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(var_dir), "FLASK_SKIP_DOTENV": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def modules_after(code: str, var_dir: Path) -> set[str]:
    """The modules in memory, and the packages that they belong to."""
    names = json.loads(run(code, var_dir)[-1])
    return {*names, *(name.partition(".")[0] for name in names)}


def flask(words: str) -> str:
    return COMMAND.format(words=["flask", *words.split()])


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database, as `flask db upgrade` makes it."""
    var_dir = tmp_path_factory.mktemp("light") / "var"
    run(flask("db upgrade"), var_dir)
    return var_dir


@pytest.mark.parametrize("words", COMMANDS)
def test_panel_and_sdk_are_not_imported_when_a_command_runs(words: str, migrated: Path) -> None:
    loaded = modules_after(flask(words), migrated)
    assert "webapp.core" in loaded
    assert not loaded & (PANEL | SDK)


def test_services_are_not_imported_when_the_settings_are_shown(migrated: Path) -> None:
    loaded = modules_after(flask("config"), migrated)
    assert "webapp.cli.config" in loaded
    assert "webapp.services" not in loaded


def test_flask_is_not_imported_when_jobs_run(migrated: Path) -> None:
    loaded = modules_after("import jobs.worker, jobs.reconciler.loop, jobs.context", migrated)
    assert loaded >= {"webapp.services", TABLES, *SDK}
    assert not loaded & (PANEL | FLASK | {"pyarrow"})


def test_no_library_is_imported_when_the_launcher_runs(migrated: Path) -> None:
    loaded = modules_after("import launch.__main__", migrated)
    assert "launch.supervise" in loaded
    assert not loaded & (PANEL | FLASK | SDK | {"click", "pydantic", "redis", "rq", "sqlalchemy"})


def test_every_command_is_listed_when_help_is_asked_for(migrated: Path) -> None:
    listed = {line.split()[0] for line in run(flask("--help"), migrated) if line.strip()}
    assert listed >= {"audit", "config", "db", "partitions", "tenants", "tokens", "users", "worker"}


def test_pages_are_there_when_a_command_of_flask_serves_or_shows_them(migrated: Path) -> None:
    shown = "\n".join(run(flask("routes"), migrated))
    assert "/admin/" in shown
    assert "/api/tenants" in shown
