"""What the commands share: options, and where results, logs and refusals go."""

import json
import sys
from typing import Any, NoReturn

import click

from webapp import current
from webapp.logs import configure_logging
from webapp.models.naming import MAX_TENANT_ID

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
number = click.IntRange(1, MAX_TENANT_ID)


def refuse(message: str) -> NoReturn:
    """Bad usage: exit code 2."""
    raise click.UsageError(message)


def print_json(value: Any) -> None:
    """The one JSON value of a command's result."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def to_stderr() -> None:
    """Results go to stdout alone, so the logs of a command go to stderr.

    On a terminal only what is wrong: a line for each tenant would bury result and progress.
    """
    settings = current.settings()
    if sys.stderr.isatty():
        settings = settings.model_copy(update={"log_level": "WARNING"})
    configure_logging(settings, stream="stderr")
