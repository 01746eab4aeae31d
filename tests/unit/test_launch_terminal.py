"""Every line of a log is shown once, whatever happens to the file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.errors import StartError
from launch.terminal import following
from tests.engines.process import wait_until


class Terminal:
    """The log of a part that is followed, and what is shown of it."""

    def __init__(self, log_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.path = log_dir / "web.log"
        self._capfd = capfd
        self._shown = ""

    def write(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text)

    def shown(self) -> str:
        self._shown += self._capfd.readouterr().out
        return self._shown

    def shows(self, line: str) -> None:
        wait_until(lambda: f"{line}\n" in self.shown(), 20, line)


@pytest.fixture
def terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    """Of a run whose web part has written before, and its worker has not."""
    terminal = Terminal(tmp_path, capfd)
    terminal.write("of before\n")

    def is_followed() -> bool:
        terminal.write("begins\n")
        return "begins" in terminal.shown()

    with following(tmp_path, ["web", "worker"]):
        wait_until(is_followed, 20, "the log is followed")
        yield terminal


def test_what_is_missing_is_named_when_there_is_no_tail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match=r"tail.*coreutils"), following(tmp_path, ["web"]):
        pass


def test_only_new_lines_are_shown_when_the_log_is_older(terminal: Terminal) -> None:
    terminal.write("new\n")
    terminal.shows("web    | new")
    assert "of before" not in terminal.shown()


def test_half_a_line_waits_when_its_end_is_not_written_yet(terminal: Terminal) -> None:
    terminal.write("one\ntw")
    terminal.shows("web    | one")
    assert "tw" not in terminal.shown()
    terminal.write("o\n")
    terminal.shows("web    | two")


def test_no_line_is_lost_when_the_log_is_rotated(terminal: Terminal) -> None:
    terminal.write("one\n")
    terminal.path.rename(terminal.path.with_name("web.log.1"))
    terminal.write("two\n")
    terminal.shows("web    | two")
    assert [terminal.shown().count(line) for line in ("| one\n", "| two\n")] == [1, 1]


def test_every_line_is_shown_when_the_log_is_new(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("first\nsecond\n")
    terminal.shows("worker | second")
    assert "worker | first\n" in terminal.shown()
