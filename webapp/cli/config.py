"""The command `flask config`: the settings in force, and where each comes from."""

import json

import click
from flask.cli import with_appcontext

from webapp import current
from webapp.queue.inspection import look
from webapp.queue.job_queue import JobQueue
from webapp.settings import VERSION


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@with_appcontext
def config_command(as_json: bool) -> None:
    """Show the version, the settings in force, and where each comes from; secrets are masked."""
    settings = current.settings()
    in_force = settings.in_force()
    _warn()
    if as_json:
        click.echo(json.dumps({"version": VERSION, **in_force}))
        return
    click.echo(f"{'version':24} {VERSION}")
    for name, value in in_force.items():
        text = "" if value is None else str(value)
        click.echo(f"{name:24} {text:48} {settings.source_of(name)}")


def _warn() -> None:
    """Say what is wrong with the Redis in use; nothing where it does not answer."""
    board = look(JobQueue(current.settings()))
    if others := board.others:
        click.echo(
            "Warning: another application uses our queues in this Redis "
            f"({others.waiting} of its jobs wait, {others.kept} are kept, {others.workers} of "
            "its workers take jobs). Paratia runs and deletes none of them, but its workers may "
            "take ours: set REDIS_URL to a database of Paratia's own, or PARTITION_QUEUE.",
            err=True,
        )
    if board.refusal:
        click.echo(f"Warning: Redis takes no writes; {board.refusal.remedy}.", err=True)
