"""Every line of a log is shown once, whatever happens to the file."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from launch.terminal import Log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "web.log"
    path.write_text("of before\n")
    return path


@pytest.fixture
def log(path: Path) -> Iterator[Log]:
    with closing(Log(path, "")) as log:
        yield log


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_only_new_lines_are_shown_when_the_log_is_older(path: Path, log: Log) -> None:
    append(path, "new\n")
    assert log.new_lines() == ["new"]
    assert log.new_lines() == []


def test_half_a_line_waits_when_its_end_is_not_written_yet(path: Path, log: Log) -> None:
    append(path, "one\ntw")
    assert log.new_lines() == ["one"]
    append(path, "o\n")
    assert log.new_lines() == ["two"]


def test_no_line_is_lost_when_the_log_is_rotated(path: Path, log: Log) -> None:
    append(path, "one\n")
    path.rename(path.with_name("web.log.1"))
    path.write_text("two\n")
    assert log.new_lines() == ["one", "two"]
    assert log.new_lines() == []
