"""What the commands share: options, output and logs."""

import json
import sys
from typing import Any, NoReturn, TextIO

import click

from webapp import current
from webapp.logs import configure_logging
from webapp.models.naming import MAX_TENANT_ID

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
number = click.IntRange(1, MAX_TENANT_ID)


def refuse(message: str) -> NoReturn:
    """End the command with exit code 2, bad usage."""
    raise click.UsageError(message)


def print_json(value: Any) -> None:
    """Print the result as one JSON value."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def to_stderr() -> None:
    """Log to stderr; on a terminal only warnings, so that they do not bury result and progress."""
    settings = current.settings()
    if sys.stderr.isatty():
        settings = settings.model_copy(update={"log_level": "WARNING"})
    configure_logging(settings, stream="stderr")


def stdin() -> TextIO:
    """The stream of the answer, which tests replace."""
    return sys.stdin
