"""What the launcher has other processes find out comes back whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from launch.children import Readiness, Unreadable, read_settings
from tests.engines.process import wait_until
from webapp.settings import load_settings


@pytest.fixture
def readiness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Readiness]:
    """Of a run that began an hour ago and has neither database nor Redis."""
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    with closing(Readiness(since=datetime.now(UTC) - timedelta(hours=1))) as readiness:
        yield readiness


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


def test_parts_without_a_sign_of_work_are_named_when_it_takes_long(
    readiness: Readiness, capfd: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    def is_shown() -> bool:
        assert not readiness.is_reached(session=os.getsid(0))
        shown.append(capfd.readouterr().out)
        return "no sign of life from web, worker, reconciler;" in "".join(shown)

    wait_until(is_shown, 30, "they are named")


def test_another_process_looks_when_the_first_has_died(readiness: Readiness) -> None:
    assert not readiness.is_reached(session=0)
    first = readiness._process
    assert first
    first.kill()
    first.wait()
    assert not readiness.is_reached(session=0)
    assert readiness._process is not first
