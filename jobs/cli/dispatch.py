"""The commands `backfill`, for imported tenants, and `retry`, for failed ones."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy.orm import Session

from jobs.cli.halts import CANNOT_END, EVERYONE, NO_ONE, exit_if_held, find_halts, tell_halts
from webapp import current
from webapp.cli.console import as_json, number, print_json, refuse, to_stderr
from webapp.errors import TenantNotFound
from webapp.models.causes import Cause
from webapp.models.operation import Operation, OperationKind
from webapp.models.partition import Partition
from webapp.operations.plan import UNKNOWN, WAITING, WITHOUT_REQUEST, Plan, first_unknown
from webapp.operations.progress import View, failed_again, views
from webapp.operations.selection import Selection
from webapp.partitions.summary import adopted

POLL_S = 0.25
# Longer than a claim waits for a free worker.
HINT_AFTER_S = 15.0
# What became of the dispatched tenants, and how it is printed.
OUTCOMES = {
    "ready": "ready",
    "failed": "failed",
    "waiting": "waiting",
    "elsewhere": "taken up by something later",
}
ALWAYS_SAID = {"ready", "failed"}

dry = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
some = click.option(
    "--tenant-id",
    "tenant_ids",
    type=number,
    multiple=True,
    help="Only this tenant; may be repeated.",
)
everyone = click.option("--all", "everyone", is_flag=True, help="All of them (the default).")


@click.command()
@everyone
@some
@dry
@click.option("--wait", is_flag=True, help="Wait until each of them is ready or failed.")
@click.option("--adopt", is_flag=True, help="Take rows that are there for the tenants' own.")
@as_json
@with_appcontext
def backfill(
    everyone: bool,
    tenant_ids: tuple[int, ...],
    dry_run: bool,
    wait: bool,
    adopt: bool,
    as_json: bool,
) -> None:
    """Make requests for tenants that have none, and dispatch those that are not ready.

    Without --tenant-id: all without a request, waiting without a live job, or failed of a
    transient cause. A partition that holds rows already is refused (foreign_data), unless
    --adopt says that what imported tenants have in theirs is their own.

    Exit 1: some failed (with --wait), Redis did not take the jobs, or a brake or a restored
    database holds some back; it is named, and the requests are kept. A pause is named too, and
    is no failure. The same with --dry-run.
    """
    to_stderr()
    if everyone and tenant_ids:
        refuse("--all and --tenant-id exclude each other")
    request = (OperationKind.BACKFILL, Selection(tenant_ids=tenant_ids or None))
    plan = current.services().operations.plan(*request, adopt=adopt)
    if UNKNOWN in plan.skipped:
        _refuse_unknown(tenant_ids)
    of = request[1] if tenant_ids else EVERYONE
    if dry_run or not plan.accepted:
        _end_with_plan(plan, of, wait=wait and not dry_run, dry_run=dry_run, as_json=as_json)
        return
    operation = _drive(*request, planned=plan.accepted, adopt=adopt)
    _tell(of, operation.id, wait=wait)
    _tell_unawaited(plan.skipped, wait=wait)
    outcome = _outcome(operation.id, wait=wait)
    if adopt and wait:
        outcome |= _adopted(operation.id)
    _print(operation.accepted, json.loads(operation.skipped), outcome, as_json=as_json)
    _tell_failures(operation.id)
    if wait and outcome["failed"]:
        sys.exit(1)
    exit_if_held(of, operation.id)


def _end_with_plan(plan: Plan, of: Selection, *, wait: bool, dry_run: bool, as_json: bool) -> None:
    """Print what would be done, or that nothing is to be done, and what holds these back."""
    none = dict.fromkeys(OUTCOMES, 0) if wait else {}
    _print(plan.accepted, plan.skipped, none, dry_run=dry_run, as_json=as_json)
    tell_halts(of)
    _tell_unawaited(plan.skipped, wait=wait)
    exit_if_held(of)


def _refuse_unknown(tenant_ids: Sequence[int]) -> None:
    unknown = current.database().read(first_unknown, tenant_ids)
    if unknown is not None:
        refuse(str(TenantNotFound(unknown)))


def _drive(
    kind: OperationKind, selection: Selection, *, planned: int, adopt: bool = False
) -> Operation:
    """Ask the operation, and take all its batches here: no reconciler need run."""
    operations, database = current.services().operations, current.database()
    with _bar(planned, "Working") as bar:
        operation = operations.ask(kind, selection, actor=current.command_line(), adopt=adopt)
        accepted, goes_on = 0, True
        while goes_on:
            goes_on = operations.advance(operation.id)
            operation = database.read(Session.get_one, Operation, operation.id)
            bar.update(operation.accepted - accepted)
            accepted = operation.accepted
    return operation


def _tell(of: Selection, operation_id: int, *, wait: bool) -> None:
    """Say what keeps the tenants from being made; it is said before any waiting for them."""
    tell_halts(of, operation_id)
    if wait and find_halts(current.services(), NO_ONE, operation_id).sentences:
        click.echo(CANNOT_END, err=True)


def _tell_unawaited(skipped: Mapping[str, int], *, wait: bool) -> None:
    if wait and (others := skipped.get(WAITING)):
        click.echo(f"{others} wait by an earlier request, and are not waited for here.", err=True)


def _outcome(operation_id: int, *, wait: bool) -> dict[str, int]:
    """What became of the tenants by now, or with `wait` once each is ready or failed."""
    progress = (_settle(operation_id) if wait else _view(operation_id)).progress
    return {outcome: getattr(progress, outcome) for outcome in OUTCOMES}


def _adopted(operation_id: int) -> dict[str, int]:
    adoption = current.database().read(adopted, Partition.operation_id == operation_id)
    return {"adopted": adoption.tenants, "adopted_rows": adoption.rows}


def _bar(length: int, label: str) -> Any:
    return click.progressbar(
        length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    )


def _settle(operation_id: int) -> View:
    waiting = _view(operation_id).progress.waiting
    is_hinted, moved_at = False, time.monotonic()
    with _bar(waiting, "Provisioning") as bar:
        while (view := _view(operation_id)).progress.waiting:
            if view.progress.waiting < waiting:
                moved_at = time.monotonic()
            elif not is_hinted and time.monotonic() - moved_at > HINT_AFTER_S:
                click.echo(_hint(operation_id), err=True)
                is_hinted = True
            bar.update(waiting - view.progress.waiting)
            waiting = view.progress.waiting
            time.sleep(POLL_S)
        bar.update(waiting)
    return view


def _view(operation_id: int) -> View:
    with current.database().reading() as session:
        return views(session, [session.get_one(Operation, operation_id)])[0]


def _hint(operation_id: int) -> str:
    halts = find_halts(current.services(), NO_ONE, operation_id)
    why = halts.sentences or ["does a worker run, and does Milvus answer?"]
    return "\n".join(["Nothing moves:", *why])


def _tell_failures(operation_id: int) -> None:
    """Say on stderr of which causes the operation's tenants have failed, and what to do."""
    for cause, tenants in current.database().read(failed_again, operation_id).items():
        click.echo(f"{tenants} failed: {cause}: {_remedy(cause)}", err=True)


def _remedy(cause: Cause) -> str:
    if cause == Cause.FOREIGN_DATA:
        return (
            "their partitions hold rows already. Where these are the tenants' own: "
            "flask partitions backfill --adopt (or adopt --tenant-id N)."
        )
    return f"{cause.advice.meaning} {cause.advice.remedy}"


def _print(
    dispatched: int,
    skipped: Mapping[str, int],
    outcome: Mapping[str, int] = MappingProxyType({}),
    *,
    as_json: bool,
    dry_run: bool = False,
    verb: str = "dispatched",
) -> None:
    if as_json:
        print_json({"dry_run": dry_run, verb: dispatched, "skipped": skipped, **outcome})
        return
    click.echo(f"{dispatched} {f'would be {verb}' if dry_run else verb}")
    for reason, count in skipped.items():
        click.echo(f"{count} left alone: {reason.replace('_', ' ')}")
    for name, said in OUTCOMES.items():
        if name in outcome and (outcome[name] or name in ALWAYS_SAID):
            click.echo(f"{outcome[name]} {said}")
    if "adopted" in outcome:
        click.echo(f"{outcome['adopted']} adopted, with {outcome['adopted_rows']} rows in all")


@click.command()
@everyone
@some
@click.option("--cause", type=click.Choice([cause.value for cause in Cause]), help="Only these.")
@dry
@click.option("--wait", is_flag=True, help="Wait until each is ready or has failed again.")
@as_json
@with_appcontext
def retry(
    everyone: bool,
    tenant_ids: tuple[int, ...],
    cause: str | None,
    dry_run: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Dispatch failed ones afresh, with all their attempts; without options all of them.

    Says how many are ready, have failed again or wait. Exit 1: as of `backfill`, and also without
    --wait if some have failed again by then.
    """
    to_stderr()
    if everyone and (tenant_ids or cause):
        refuse("--all excludes --tenant-id and --cause")
    for_cause = Cause(cause) if cause else None
    selection = Selection.of_failed(for_cause)
    if tenant_ids:
        selection = Selection(cause=for_cause, tenant_ids=tenant_ids)
    of = selection if tenant_ids or for_cause else EVERYONE
    operation = start(
        OperationKind.RETRY, selection, dry_run=dry_run, as_json=as_json, wait=wait, halted=of
    )
    if operation:
        _tell_failures(operation.id)
        if _view(operation.id).progress.failed:
            sys.exit(1)
    exit_if_held(of, operation.id if operation else None)


def start(
    kind: OperationKind,
    selection: Selection,
    *,
    dry_run: bool,
    as_json: bool,
    wait: bool = False,
    verb: str = "dispatched",
    halted: Selection | None = None,
) -> Operation | None:
    """Plan the operation, run all of it here and print what came of it; None: nothing was done.

    `halted`: the tenants of whom is told what holds them back, and what became of them.
    """
    plan = current.services().operations.plan(kind, selection)
    missing = sum(plan.skipped.get(reason, 0) for reason in (UNKNOWN, WITHOUT_REQUEST))
    if missing:
        refuse(f"{missing} of the tenants do not exist or were never asked for")
    if dry_run or not plan.accepted:
        _print(plan.accepted, plan.skipped, dry_run=dry_run, as_json=as_json, verb=verb)
        if halted:
            tell_halts(halted)
        return None
    operation = _drive(kind, selection, planned=plan.accepted)
    outcome = {}
    if halted:
        _tell(halted, operation.id, wait=wait)
        outcome = _outcome(operation.id, wait=wait)
    _print(operation.accepted, json.loads(operation.skipped), outcome, as_json=as_json, verb=verb)
    return operation
