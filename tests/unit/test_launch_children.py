"""What the launcher has other processes find out comes back whole, or not at all."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from launch.children import SignsOfWork, Unreadable, read_settings
from webapp.settings import load_settings

BOTH = ["worker", "reconciler"]


@pytest.fixture
def signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignsOfWork]:
    """The signs of a run that has neither database nor Redis yet."""
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    with closing(SignsOfWork(since=datetime.now(UTC))) as signs:
        yield signs


def test_settings_are_the_products_own_when_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "è #1"))
    monkeypatch.setenv("MILVUS_HOST", "milvus.example.com")
    read, own = read_settings(), load_settings()
    assert vars(read) == {name: getattr(own, name) for name in vars(read)}


def test_exit_status_is_told_when_a_setting_is_unusable(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MILVUS_PORT", "many")
    with pytest.raises(Unreadable) as refused:
        read_settings()
    assert refused.value.args == (2,)
    assert capfd.readouterr().err.startswith("Settings: MILVUS_PORT ")


def test_both_parts_are_missing_when_nothing_runs(signs: SignsOfWork) -> None:
    assert signs.missing([os.getpid()]) == BOTH
    assert signs.missing([]) == BOTH


def test_another_process_answers_when_the_one_that_was_asked_has_died(signs: SignsOfWork) -> None:
    asked = signs._running()
    asked.send_signal(signal.SIGKILL)
    assert signs.missing([]) == BOTH
    asked.wait()
    assert signs.missing([]) == BOTH
    assert signs._running() is not asked
