"""The command `flask config`: the settings in force, and where each comes from."""

import json

import click
from flask.cli import with_appcontext

from webapp import current


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@with_appcontext
def config_command(as_json: bool) -> None:
    """Show the settings in force and where each comes from; secrets are masked."""
    settings = current.settings()
    in_force = settings.in_force()
    if as_json:
        click.echo(json.dumps(in_force))
        return
    for name, value in in_force.items():
        shown = "" if value is None else str(value)
        click.echo(f"{name:24} {shown:48} {settings.source_of(name)}")
