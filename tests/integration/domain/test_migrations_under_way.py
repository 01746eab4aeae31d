"""Migrations while the product serves: what they lock, and what cuts them short."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from apiflask import APIFlask
from flask_migrate import stamp, upgrade
from sqlalchemy import Connection, Engine, event, inspect, text

from migrations import steps
from tests.acceptance.running import ROOT, environment
from tests.engines.process import wait_until
from webapp.db.schema_revision import VERSIONS, wanted_revision
from webapp.extensions import db

# The last one that was written before the rules.
FIRST = "0007"
LARGE = "(?:tenant|partition|partition_event|audit_entry|departure|upload_row)"
# What goes through a table while it is locked: each takes one that is there already.
GOES_THROUGH = (
    re.compile(r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).* ON (\w+)", re.DOTALL),
    re.compile(rf"(?:UPDATE|DELETE FROM|INSERT INTO) ({LARGE})\b"),
    re.compile(r"ALTER TABLE (\w+) .*(?:SET NOT NULL|\bTYPE\b)", re.DOTALL),
    re.compile(r"ALTER TABLE (\w+) ADD (?:CONSTRAINT|CHECK|FOREIGN)(?!.*NOT VALID)", re.DOTALL),
)
# Those of migrations/steps.py that commit what was done; a dot before them makes them Alembic's.
COMMITS = re.compile(r"(?<![.\w])(?:create_index|drop_index|in_batches)\(")

on_postgresql = pytest.mark.parametrize("empty_app", ["postgresql"], indirect=True)


def revisions(app: APIFlask) -> list[str]:
    """All of them, the oldest first."""
    config = app.extensions["migrate"].migrate.get_config()
    chain = ScriptDirectory.from_config(config).walk_revisions()
    return [script.revision for script in chain][::-1]


@contextmanager
def executed() -> Iterator[list[tuple[str, bool]]]:
    """The statements meanwhile, each with whether it is a transaction by itself."""
    found: list[tuple[str, bool]] = []

    def note(connection: Connection, _cursor: object, statement: str, *_rest: Any) -> None:
        level = connection.get_execution_options().get("isolation_level")
        found.append((" ".join(statement.split()), level == "AUTOCOMMIT"))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("empty_app", ["sqlite"], indirect=True)
def test_numbers_grow_along_the_chain(empty_app: APIFlask) -> None:
    chain = revisions(empty_app)
    assert chain == sorted(path.name.partition("_")[0] for path in VERSIONS.glob("*.py"))
    assert chain[-1] == wanted_revision()


@on_postgresql
def test_no_table_is_gone_through_while_it_is_locked(empty_app: APIFlask) -> None:
    upgrade(revision=FIRST)
    offences = []
    for revision in revisions(empty_app):
        if revision <= FIRST:
            continue
        there = set(inspect(db.engine).get_table_names())
        with executed() as statements:
            upgrade(revision=revision)
        offences += [
            f"{revision}: {statement}"
            for statement, is_alone in statements
            for found in (each.match(statement) for each in GOES_THROUGH)
            if found and found[1] in there and not is_alone
        ]
    assert offences == [], "migrations/steps.py has steps that lock little"


@on_postgresql
def test_migration_goes_on_when_it_was_cut_short(empty_app: APIFlask) -> None:
    """A step that commits what was done may be the last one before a crash."""
    before = "0001"
    for path in sorted(VERSIONS.glob("*.py")):
        revision = path.name.partition("_")[0]
        upgrade(revision=revision)
        if COMMITS.search(path.read_text()):
            stamp(revision=before)
            upgrade(revision=revision)
        before = revision
    result = empty_app.test_cli_runner().invoke(args=["db", "check"])
    assert result.exit_code == 0, result.output


@on_postgresql
def test_index_is_made_anew_when_its_making_was_cut_short(empty_app: APIFlask) -> None:
    upgrade(revision="0010")
    stamp(revision="0009")
    index = "'ix_partition_not_requested'::regclass"
    broken = f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = {index}"
    with db.engine.execution_options(writes=True).begin() as connection:
        connection.execute(text(broken))
    upgrade(revision="0010")
    with db.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")) == 0


@on_postgresql
def test_others_go_on_while_a_migration_waits_for_a_reader(
    empty_app: APIFlask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(steps, "LOCK_WITHIN", "50ms")
    monkeypatch.setattr(steps, "PAUSE_S", 0.05)
    upgrade(revision="0010")
    count = text("SELECT count(*) FROM operation")

    def migrate() -> None:
        with empty_app.app_context():
            upgrade(revision="0011")

    migrating = threading.Thread(target=migrate)
    with db.engine.connect() as reader:
        reader.execute(count)
        migrating.start()
        wait_until(lambda: "migrate.waits_for_lock" in caplog.text, 20, "the migration to wait")
        with db.engine.connect() as another:
            assert another.scalar(count) == 0
        assert migrating.is_alive()
    migrating.join()
    assert "adopt" in {each["name"] for each in inspect(db.engine).get_columns("operation")}


@on_postgresql
def test_two_may_migrate_at_once(empty_app: APIFlask, tmp_path: Path) -> None:
    url = db.engine.url.render_as_string(hide_password=False)
    settings = environment(tmp_path, 8000, DATABASE_URL=url, SECRET_KEY="x" * 40)
    command = [sys.executable, str(Path(sys.executable).parent / "flask"), "db", "upgrade"]
    both = [
        subprocess.Popen(command, cwd=ROOT, env=settings, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outcomes = [(each.communicate()[1], each.returncode) for each in both]
    assert [code for _, code in outcomes] == [0, 0], outcomes
    assert sum(text.count("Running upgrade") for text, _ in outcomes) == len(revisions(empty_app))
