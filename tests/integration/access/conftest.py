"""The commands that make users and tokens, and show what became of them."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask
from click.testing import Result

from webapp.cli.access import tokens_cli, users_cli
from webapp.cli.audit import audit_command


@pytest.fixture
def run(app: APIFlask) -> Callable[..., Result]:
    """Runs `flask` with these words."""
    for command in (users_cli, tokens_cli, audit_command):
        app.cli.add_command(command)
    return lambda *words: app.test_cli_runner().invoke(args=list(words))
