"""The commands `brake`, `acknowledge` and `restored`."""

import sys

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from jobs.cli.dispatch import dry, some, start
from jobs.cli.halts import (
    describe_brake,
    describe_gone,
    describe_restore,
    pending_restore,
    serialize_brake,
    serialize_restore,
)
from webapp import current
from webapp.cli.console import as_json, print_json, refuse, to_stderr
from webapp.errors import DomainError
from webapp.halts.brake_state import brakes
from webapp.models.operation import OperationKind
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant
from webapp.operations.selection import Selection

# The exit code while a brake is on.
IS_ON = 1


@click.command()
@click.option(
    "--make-again",
    "again_in",
    metavar="COLLECTION",
    help="Make its missing partitions again, empty, and accept the collection that is there.",
)
@click.option("--wait", "wait_for", metavar="COLLECTION", help="Leave it, on record as seen.")
@as_json
@with_appcontext
def brake(again_in: str | None, wait_for: str | None, as_json: bool) -> None:
    """Show or decide what holds a collection back, in which nothing is made again or dropped.

    Exit 1 while a brake is on, 0 without one.
    """
    to_stderr()
    if again_in and wait_for:
        refuse("--make-again and --wait exclude each other")
    decisions, actor = current.services().brakes, current.command_line()
    try:
        if again_in:
            decided = decisions.make_again(again_in, actor=actor)
            click.echo(
                f"{again_in}: {describe_gone(decided)}; the next sweep makes them again", err=True
            )
        if wait_for:
            decisions.wait(wait_for, actor=actor)
    except DomainError as error:
        refuse(str(error))
    shown = current.database().read(brakes)
    if as_json:
        print_json([serialize_brake(each) for each in shown])
    else:
        click.echo("\n".join(map(describe_brake, shown)) or "No brake is on.")
    if shown:
        sys.exit(IS_ON)


@click.command()
@click.option("--all", "everyone", is_flag=True, help="All that have the mark.")
@some
@dry
@as_json
@with_appcontext
def acknowledge(everyone: bool, tenant_ids: tuple[int, ...], dry_run: bool, as_json: bool) -> None:
    """Take the mark off tenants whose rows may be lost: those of --tenant-id, or --all.

    For partitions that Milvus lost and that are there again, empty: once their rows are loaded
    again, or are not needed. The mark is all that says whose rows these are; --dry-run counts them.
    """
    to_stderr()
    if everyone and tenant_ids:
        refuse("--all and --tenant-id exclude each other")
    if not (everyone or tenant_ids or dry_run):
        refuse("say whose rows are loaded again: --tenant-id N (may be repeated), or --all")
    selection = Selection(tenant_ids=tenant_ids) if tenant_ids else Selection(rows_lost=True)
    start(
        OperationKind.ACKNOWLEDGE,
        selection,
        dry_run=dry_run,
        as_json=as_json,
        verb="acknowledged",
    )


@click.command()
@click.option("--acknowledge", "is_decided", is_flag=True, help="Let drops go on.")
@as_json
@with_appcontext
def restored(is_decided: bool, as_json: bool) -> None:
    """Show or acknowledge that the database was restored from a backup.

    Until then nothing is dropped: a deletion in an old backup may have been taken back since. The
    tenants that are removing are listed; keep one by `flask tenants restore`. It looks for itself,
    so that it is told before any process has started.

    Exit 1 while something is held back, 0 without.
    """
    to_stderr()
    incarnations = current.services().incarnations
    if is_decided:
        try:
            # A doubt that no process has seen yet is stored first.
            incarnations.check()
            incarnations.acknowledge(actor=current.command_line())
        except DomainError as error:
            refuse(str(error))
    pending = pending_restore(current.services())
    due = _removing() if pending else []
    if as_json:
        held = {"removing": [number for number, _ in due]}
        print_json(serialize_restore(pending) | held if pending else None)
    else:
        click.echo(describe_restore(pending) if pending else NOTHING_HELD)
        for number, name in due:
            click.echo(f"  removing: {number} {name}")
    if pending:
        sys.exit(IS_ON)


def _removing() -> list[tuple[int, str]]:
    """Number and name of the tenants whose partition is to be dropped, the soonest first."""
    due = (
        select(Tenant.id, Tenant.name)
        .join(Partition, Partition.tenant_id == Tenant.id)
        .where(Partition.state == PartitionState.REMOVING)
        .order_by(Partition.remove_at, Tenant.id)
    )
    with current.database().reading() as session:
        return [(number, name) for number, name in session.execute(due)]


NOTHING_HELD = "No restore of the database holds anything back."
