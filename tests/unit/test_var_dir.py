"""What is kept is its owner's alone."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from webapp.var_dir import keep_files_private, keep_temporary_files, made_once, private_folder


@pytest.fixture(autouse=True)
def lax_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_folder_is_closed_when_it_is_made_whatever_the_umask(tmp_path: Path) -> None:
    private_folder(tmp_path / "a" / "var")
    assert mode(tmp_path / "a" / "var") == 0o700


@pytest.mark.parametrize("content", [None, "run.lock", "secret_key"])
def test_folder_is_closed_when_it_is_ours_and_was_open(tmp_path: Path, content: str | None) -> None:
    tmp_path.chmod(0o755)
    if content:
        (tmp_path / content).touch()
    private_folder(tmp_path)
    assert mode(tmp_path) == 0o700


def test_folder_is_left_open_when_it_holds_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "somebody's letters").touch()
    tmp_path.chmod(0o755)
    private_folder(tmp_path)
    assert mode(tmp_path) == 0o755


def test_secret_is_its_owners_alone_when_the_folder_is_open(tmp_path: Path) -> None:
    (tmp_path / "somebody's letters").touch()
    tmp_path.chmod(0o755)
    assert len(made_once(tmp_path / "secret_key")) > 40
    assert mode(tmp_path / "secret_key") == 0o600


def test_files_are_private_from_then_on(tmp_path: Path) -> None:
    keep_files_private()
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert (mode(tmp_path / "file"), mode(tmp_path / "folder")) == (0o600, 0o700)


def test_temporary_files_are_below_the_folder_when_it_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere")
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    (tmp_path / "file").touch()
    keep_temporary_files(tmp_path / "file" / "var")
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == "/nowhere"
    keep_temporary_files(tmp_path / "var")
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(tmp_path / "var" / "tmp")
    assert (mode(tmp_path / "var"), mode(tmp_path / "var" / "tmp")) == (0o700, 0o700)
