"""The browser of the tests: one on the PATH, Playwright's own, or Debian's package."""

from pathlib import Path

from tests.engines import debian

NAME = "chromium"
# The shell draws no windows of its own, and so costs half of what the whole browser does.
PACKAGE = "chromium-headless-shell"
PROGRAMS = (PACKAGE, "chromium", "chromium-browser", "google-chrome")


def program() -> str | None:
    """The browser on the PATH; None leaves it to Playwright, which looks for its own."""
    return debian.program(*PROGRAMS)


def prepare() -> None:
    """Install Debian's package where there is no browser, and where that is allowed.

    Raises:
        EngineMissing: naming the package, when it cannot be installed.
    """
    debian.prepare(NAME, PACKAGE, lambda: program() or _playwrights_own().exists())


def _playwrights_own() -> Path:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)
