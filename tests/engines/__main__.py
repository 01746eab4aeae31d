"""Installs what the tests need beyond the project's virtual environment."""

import sys

from tests.engines import chromium, nginx, overlay, pgbouncer, standalone
from tests.engines.availability import is_switched_off


def prepare() -> None:
    """Install every engine that is not switched off by name; quick when all is there.

    Raises:
        EngineMissing: naming the engine that cannot be had.
    """
    if not is_switched_off(standalone.NAME):
        standalone.prepare()
    if not is_switched_off("pymilvus26"):
        overlay.install("pymilvus26")
    if not is_switched_off(chromium.NAME):
        chromium.prepare()
    if not is_switched_off(pgbouncer.NAME):
        pgbouncer.prepare()
    if not is_switched_off(nginx.NAME):
        nginx.prepare()


if __name__ == "__main__":
    if sys.argv[1:] != ["prepare"]:
        sys.exit("usage: python -m tests.engines prepare")
    prepare()
