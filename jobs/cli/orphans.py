"""The commands `flask partitions orphans …`."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

import click
from flask.cli import AppGroup

from jobs.cli.halts import end_where_held
from webapp import current
from webapp.cli.console import as_json, print_json, refuse, stdin, to_stderr
from webapp.errors import DomainError, InvalidField, OrphanNotFound
from webapp.models.observed import PartitionDrift
from webapp.models.orphan import OrphanRequest
from webapp.models.states import OrphanOutcome
from webapp.partitions.events import row_count
from webapp.partitions.orphans import list_orphans
from webapp.texts import visible
from webapp.times import rfc3339

POLL_S = 0.1
FULFILLED = (OrphanOutcome.COUNTED, OrphanOutcome.DROPPED, OrphanOutcome.ABSENT)

orphans = AppGroup("orphans", help="Decide about partitions in Milvus that no tenant has.")
partition = click.argument("partition")
in_collection = click.option("--collection", help="The one in use, where it is left out.")


@orphans.command("list")
@as_json
def list_(as_json: bool) -> None:
    """The orphans that the last comparison found, also those that are kept."""
    to_stderr()
    found = current.database().read(list_orphans)
    if as_json:
        print_json([_item(each) for each in found])
        return
    for each in found:
        click.echo(_line(each))
    if not found:
        click.echo("No orphans.")


@orphans.command()
@partition
@in_collection
@as_json
def count(partition: str, collection: str | None, as_json: bool) -> None:
    """Count the rows of PARTITION now. Exit 1: Milvus could not."""
    to_stderr()
    asked = _decided(current.services().orphans.count, collection, partition)
    _finish(_fulfilled(asked), as_json=as_json)


@orphans.command()
@partition
@in_collection
@click.option("--name", required=True, help="Of the tenant.")
@click.option("--slug", help="Made from the name where it is left out.")
def adopt(partition: str, collection: str | None, name: str, slug: str | None) -> None:
    """Make a tenant with the number of PARTITION, to whom its rows belong."""
    to_stderr()
    tenant = _decided(current.services().adoption.adopt, collection, partition, name, slug)
    click.echo(f"tenant {tenant.id}: dispatched, to adopt what its partition holds")
    end_where_held(tenant.id)


@orphans.command()
@partition
@in_collection
@click.option("--reason", help="Why, for all who will see it.")
@click.option("--undo", is_flag=True, help="Take the decision back.")
def acknowledge(partition: str, collection: str | None, reason: str | None, undo: bool) -> None:
    """Keep PARTITION as it is: it is no drift any more."""
    to_stderr()
    if undo and reason is not None:
        refuse("--undo takes no --reason")
    decisions = current.services().orphans
    if undo:
        _decided(decisions.take_back, collection, partition)
    else:
        _decided(decisions.acknowledge, collection, partition, reason)
    click.echo(f"{visible(partition)}: {'an orphan again' if undo else 'kept, and no drift'}")


@orphans.command()
@partition
@in_collection
@click.option("--confirm", help="The name of the partition again, where nothing can be asked.")
@as_json
def drop(partition: str, collection: str | None, confirm: str | None, as_json: bool) -> None:
    """Drop PARTITION with all rows in it, which cannot be undone. Exit 1: it was not dropped."""
    to_stderr()
    typed = confirm if confirm is not None else _ask(partition)
    asked = _decided(current.services().orphans.drop, collection, partition, typed)
    _finish(_fulfilled(asked), as_json=as_json)


def _ask(partition: str) -> str:
    """The name as a human types it at a terminal."""
    if not stdin().isatty():
        refuse("this is no terminal, so nothing can be asked; give the name again by --confirm")
    click.echo("All rows in it are destroyed, and cannot be brought back.", err=True)
    return str(click.prompt(f"Type {visible(partition)} to go on", err=True))


def _decided(decide: Callable[..., Any], collection: str | None, *arguments: Any) -> Any:
    """What the use case returns; its refusals end the command, bad usage with exit code 2."""
    place = collection or current.settings().milvus_collection
    try:
        return decide(place, *arguments, actor=current.command_line())
    except InvalidField as error:
        refuse(f"{OPTIONS.get(error.field, error.field)} {error}")
    except OrphanNotFound as error:
        refuse(str(error))
    except DomainError as error:
        raise click.ClickException(str(error)) from error


OPTIONS = {"name": "--name", "slug": "--slug", "reason": "--reason"}


def _fulfilled(asked: OrphanRequest) -> OrphanRequest:
    """The request with its result. Fulfilled here, unless a reconciler has taken it."""
    from jobs.context import Worker
    from jobs.drift.orphan_requests import OrphanRequests

    key = (asked.collection, asked.partition)
    store = Worker(current.settings(), current.services()).store
    requests = OrphanRequests.of(current.services(), store)
    give_up_at = time.monotonic() + 10 * current.settings().milvus_timeout + 30
    try:
        while time.monotonic() < give_up_at:
            requests.run_due(threading.Event())
            with current.database().reading() as session:
                request = session.get(OrphanRequest, key)
            if request is None or request.finished_at is not None:
                return request or asked
            time.sleep(POLL_S)
    finally:
        store.close()
    raise click.ClickException("it is not finished; see flask partitions orphans list")


def _finish(request: OrphanRequest, *, as_json: bool) -> NoReturn:
    if as_json:
        print_json(_result(request))
    else:
        message = f": {request.message}" if request.message else ""
        counted = f", {row_count(request.rows)}" if request.counted_at else ""
        click.echo(f"{visible(request.partition)}: {request.outcome}{counted}{message}")
    sys.exit(0 if request.outcome in FULFILLED else 1)


def _result(request: OrphanRequest) -> dict[str, Any]:
    return {
        "collection": request.collection,
        "partition": request.partition,
        "action": request.action,
        "outcome": request.outcome,
        "rows": request.rows,
        "counted_at": rfc3339(request.counted_at),
        "message": request.message,
    }


def _item(orphan: PartitionDrift) -> dict[str, Any]:
    return {
        "kind": orphan.kind,
        "collection": orphan.collection,
        "partition": orphan.partition,
        "rows": orphan.rows,
        "counted_at": rfc3339(orphan.counted_at),
        "note": orphan.note,
        "first_seen_at": rfc3339(orphan.first_seen_at),
        "acknowledged_at": rfc3339(orphan.acknowledged_at),
        "acknowledged_by": orphan.acknowledged_by,
        "acknowledged_reason": orphan.acknowledged_reason,
    }


def _line(orphan: PartitionDrift) -> str:
    rows = "not counted" if orphan.counted_at is None else row_count(orphan.rows)
    kept = f", by {orphan.acknowledged_by}" if orphan.acknowledged_by else ""
    return f"{orphan.kind:13} {visible(orphan.partition)} in {orphan.collection}, {rows}{kept}"
