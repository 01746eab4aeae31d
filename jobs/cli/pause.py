"""The commands `pause` and `resume`."""

import click
from flask.cli import with_appcontext

from jobs.cli.halts import describe_pause, serialize_pause
from webapp import current
from webapp.cli.console import as_json, print_json, refuse, to_stderr
from webapp.errors import InvalidField
from webapp.partitions.pause import under_way


@click.command()
@click.option("--reason", help="Why, for all who will see it.")
@as_json
@with_appcontext
def pause(reason: str | None, as_json: bool) -> None:
    """Let no attempt and no drop begin any more, as for maintenance of Milvus.

    Sign-ups go on, and their partitions wait. What is under way ends by itself; it is counted.
    Repeating it changes nothing.
    """
    to_stderr()
    try:
        state = current.services().pauses.pause(reason, actor=current.command_line())
    except InvalidField as error:
        refuse(f"--reason {error}")
    running = current.database().read(under_way)
    if as_json:
        print_json({"paused": serialize_pause(state), "under_way": running})
        return
    click.echo(f"provisioning is paused {describe_pause(state)}")
    click.echo(f"{running} still under way; pausing again counts anew")


@click.command()
@as_json
@with_appcontext
def resume(as_json: bool) -> None:
    """Let everything go on that a pause kept waiting. Repeating it changes nothing."""
    to_stderr()
    ended = current.services().pauses.resume(actor=current.command_line())
    if as_json:
        print_json({"paused": None, "ended": serialize_pause(ended)})
        return
    click.echo(
        f"the pause {describe_pause(ended)} is over" if ended else "provisioning was not paused"
    )
