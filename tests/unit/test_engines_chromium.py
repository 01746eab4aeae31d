"""A browser that is missing is installed where that is allowed, else asked for by its name."""

import os
from pathlib import Path

import pytest

from tests.engines import chromium
from tests.engines.availability import EngineMissing


def test_the_package_is_named_when_it_may_not_be_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(chromium, "_playwrights_own", lambda: tmp_path / "none")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EngineMissing, match="install Debian's chromium-headless-shell"):
        chromium.prepare()
