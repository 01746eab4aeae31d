"""The browser's third-party files are pinned, and come with their licences."""

import json

import pytest

from webapp.settings import PROJECT_ROOT

VENDOR = PROJECT_ROOT / "static" / "vendor"


def test_lock_names_no_address_when_packages_are_pinned() -> None:
    lock = json.loads((PROJECT_ROOT / "package-lock.json").read_text())
    packages = [package for path, package in lock["packages"].items() if path]
    assert packages
    assert all(package["integrity"] and "resolved" not in package for package in packages)


@pytest.mark.parametrize("folder", sorted(path.name for path in VENDOR.iterdir()))
def test_licence_lies_beside_the_files_when_they_are_served(folder: str) -> None:
    assert (VENDOR / folder / "LICENSE").stat().st_size > 0
