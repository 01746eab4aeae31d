"""The browser's third-party files are pinned, and come with their licences."""

import json
from pathlib import Path

import pytest

from webapp.settings import PROJECT_ROOT

SERVED = PROJECT_ROOT / "static" / "vendor"
FOR_TESTS = PROJECT_ROOT / "tests" / "browser" / "vendor"
FOLDERS = sorted([*SERVED.iterdir(), *FOR_TESTS.iterdir()])


def test_lock_names_no_address_when_packages_are_pinned() -> None:
    lock = json.loads((PROJECT_ROOT / "package-lock.json").read_text())
    packages = [package for path, package in lock["packages"].items() if path]
    assert packages
    assert all(package["integrity"] and "resolved" not in package for package in packages)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_licence_lies_beside_the_files_of_others(folder: Path) -> None:
    assert (folder / "LICENSE").stat().st_size > 0
