"""A part that dies again and again is told of, one that died once is not."""

import os
from pathlib import Path

import pytest

from launch import restarts
from launch.restarts import Restarts, started_stamp


class Parts:
    """Starts a part as the wrapper does, at moments that the test chooses."""

    def __init__(self, var_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.restarts = Restarts(var_dir, ["web", "worker"])
        self._var_dir = var_dir
        self._monkeypatch = monkeypatch
        for folder in ("run", "log"):
            (var_dir / folder).mkdir()
        (var_dir / "log" / "worker.log").write_text("".join(f"line {n}\n" for n in range(50)))

    def start(self, name: str, at: float) -> list[str]:
        stamp = started_stamp(self._var_dir, name)
        stamp.touch()
        os.utime(stamp, (at, at))
        return self.look(at)

    def look(self, at: float) -> list[str]:
        self._monkeypatch.setattr(restarts.time, "monotonic", lambda: at)
        return self.restarts.look()


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    return Parts(tmp_path, monkeypatch)


def test_log_is_quoted_once_when_a_part_keeps_dying(parts: Parts) -> None:
    parts.start("web", at=0)
    said = [parts.start("worker", at=4.0 * turn) for turn in range(6)]
    assert [len(complaints) for complaints in said] == [0, 0, 0, 1, 0, 0]
    complaint = said[3][0]
    assert "'worker' has died 3 times" in complaint
    assert "    line 49" in complaint
    assert "line 39" not in complaint


def test_nothing_is_said_when_a_part_died_and_then_ran_for_long(parts: Parts) -> None:
    moments = (0.0, 4.0, 8.0, 100.0, 104.0)
    assert [parts.start("worker", at) for at in moments] == [[]] * 5


def test_calm_returns_when_the_part_lives(parts: Parts) -> None:
    parts.start("worker", at=0)
    assert parts.restarts.are_over()
    parts.start("worker", at=4)
    assert not parts.restarts.are_over()
    parts.look(at=10)
    assert parts.restarts.are_over()


def test_starts_do_not_count_when_everything_was_started_again(parts: Parts) -> None:
    for turn in range(3):
        parts.start("worker", at=4.0 * turn)
    parts.restarts.forget()
    assert parts.start("worker", at=12) == []
    assert parts.start("worker", at=16) == []
