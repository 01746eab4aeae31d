"""The browser of the tests: one on the PATH, Playwright's own, or Debian's package."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.engines.availability import EngineMissing

NAME = "chromium"
# The shell draws no windows of its own, and so costs half of what the whole browser does.
PACKAGE = "chromium-headless-shell"
PROGRAMS = (PACKAGE, "chromium", "chromium-browser", "google-chrome")
UPDATE = ("apt-get", "update", "-qq")
INSTALL = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", PACKAGE)


def program() -> str | None:
    """The browser on the PATH; None leaves it to Playwright, which looks for its own."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def prepare() -> None:
    """Install Debian's package where there is no browser, and where that is allowed.

    Raises:
        EngineMissing: naming the package, when it cannot be installed.
    """
    if program() or _playwrights_own().exists():
        return
    if os.geteuid() != 0 or not shutil.which(INSTALL[0]):
        raise EngineMissing(NAME, f"none is on the PATH; install Debian's {PACKAGE} (as root).")
    for command in (UPDATE, INSTALL):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise EngineMissing(NAME, f"Debian's {PACKAGE} cannot be installed: {done.stderr}")


def _playwrights_own() -> Path:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)
