"""What the documents say of settings, commands and files is true."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cli.partitions import partitions
from webapp.cli.access import tokens_cli, users_cli
from webapp.cli.tenants import tenants_cli
from webapp.settings import PROJECT_ROOT, Settings

# The changelog tells of what there was.
PAGES = set(PROJECT_ROOT.glob("*.md")) - {PROJECT_ROOT / "CHANGELOG.md"}
DOCUMENTS = sorted(PAGES | set((PROJECT_ROOT / "docs").rglob("*.md")))
FOLDERS = "bench|docs|jobs|launch|migrations|static|templates|tests|translations|webapp"
SETTINGS = [field.upper() for field in Settings.model_fields if field != "sources"]


def text(name: str) -> str:
    return (PROJECT_ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("name", ["README.md", ".env.example"])
def test_every_setting_is_named(name: str) -> None:
    named = set(re.findall(r"`([A-Z_]+)`|^#([A-Z_]+)=", text(name), re.MULTILINE))
    assert set(SETTINGS) <= {each for pair in named for each in pair}


def test_every_target_of_the_makefile_is_in_its_help_when_users_call_it() -> None:
    makefile = text("Makefile")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert set(phony.split()) - {"help"} == set(re.findall(r'@echo "make (\w+)', makefile))


def test_commands_of_the_readme_say_where_flask_is() -> None:
    assert re.findall(r"`flask (?:partitions|audit|tenants) .*`", text("README.md")) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda page: page.name)
def test_files_and_commands_that_a_document_names_are_there(document: Path) -> None:
    text = document.read_text("utf-8")
    named = re.findall(rf"`((?:{FOLDERS})/[^`\s]+)`", text)
    assert [path for path in named if not list(PROJECT_ROOT.glob(path))] == []
    named = re.findall(r"flask (\w+) ([a-z][a-z-]*)", text)
    groups = {group.name: group for group in (partitions, tenants_cli, users_cli, tokens_cli)}
    asked = [(group, name) for group, name in named if group in groups]
    assert [each for each in asked if each[1] not in groups[each[0]].commands] == []


def test_backup_of_the_readme_holds_what_the_log_beside_it_has(tmp_path: Path) -> None:
    (program,) = re.findall(r'python -c "(import sqlite3; .*?)"', text("README.md"), re.DOTALL)
    (tmp_path / "var").mkdir()
    (tmp_path / "backup").mkdir()
    database = sqlite3.connect(tmp_path / "var" / "paratia.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE tenant (id)")
    database.execute("INSERT INTO tenant VALUES (7)")
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    copy = sqlite3.connect(tmp_path / "backup" / "paratia.db")
    assert copy.execute("SELECT id FROM tenant").fetchall() == [(7,)]
    for connection in (copy, database):
        connection.close()
