"""A program that is missing is installed where that is allowed, else asked for by its name."""

import os
from pathlib import Path

import pytest

from tests.engines import chromium, debian
from tests.engines.availability import EngineMissing


@pytest.fixture(autouse=True)
def nothing_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian, "FOLDERS", ())


def test_the_package_is_named_when_it_may_not_be_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(chromium, "_playwrights_own", lambda: tmp_path / "none")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EngineMissing, match="install Debian's chromium-headless-shell"):
        chromium.prepare()


def test_no_service_is_started_when_a_package_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    apt, said = tmp_path / "apt-get", tmp_path / "said"
    apt.write_text(f'#!/bin/sh\necho "$1 $RUNLEVEL $DEBIAN_FRONTEND" >>"{said}"\n')
    apt.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    debian.prepare("engine", "package", lambda: debian.program("server"))
    assert said.read_text() == "update 1 noninteractive\ninstall 1 noninteractive\n"


def test_the_package_is_named_when_a_test_needs_what_is_not_there() -> None:
    with pytest.raises(EngineMissing, match="install Debian's package"):
        debian.needed("engine", "package", "server")
