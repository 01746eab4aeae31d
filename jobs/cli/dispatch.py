"""The commands that dispatch: `backfill` for imported tenants, `retry` for those that failed."""

import sys
import time
from typing import Any

import click
from flask.cli import with_appcontext

from jobs.cli.pause import describe
from webapp import current
from webapp.cli.console import as_json, number, print_json, refuse, to_stderr
from webapp.errors import TenantNotFound
from webapp.models.causes import Cause
from webapp.models.states import PartitionState
from webapp.partitions.backfill import Plan
from webapp.partitions.failures import FailedSelection

POLL_S = 0.25
# Longer than a claim's wait for a free worker, shorter than a human's patience.
HINT_AFTER_S = 15.0

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
@click.option("--wait", is_flag=True, help="Wait until each is ready or failed.")
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
    --adopt says that what imported tenants have in theirs is their own. Exit 1: some failed
    (with --wait), or Redis did not take the jobs.
    """
    to_stderr()
    if everyone and tenant_ids:
        refuse("--all and --tenant-id exclude each other")
    work = current.services().backfill
    try:
        plan = work.plan(tenant_ids or None, adopt=adopt)
    except TenantNotFound as error:
        refuse(str(error))
    report: dict[str, Any] = {"dispatched": len(plan.tenant_ids), "skipped": plan.skipped}
    complete = True
    if not dry_run:
        report["dispatched"], complete = _dispatch(plan)
        if wait:
            report |= _outcome(plan, adopt=adopt)
    print_json({"dry_run": dry_run, **report}) if as_json else _tell(report, dry_run)
    if not complete:
        click.echo("Redis does not take jobs; the reconciler dispatches when it does.", err=True)
    if report.get("failed"):
        _tell_of_foreign_data(work.foreign(plan.tenant_ids))
    if report.get("failed") or not complete:
        sys.exit(1)


def _dispatch(plan: Plan) -> tuple[int, bool]:
    with _bar(len(plan.tenant_ids), "Dispatching") as bar:
        return current.services().backfill.dispatch(
            plan.tenant_ids,
            actor=current.command_line(),
            progress=bar.update,
            adopting=plan.adopting,
        )


def _outcome(plan: Plan, *, adopt: bool) -> dict[str, int]:
    """What became of them, once each is ready or failed."""
    counts = _settle(plan.tenant_ids)
    outcome = {"ready": counts[PartitionState.READY], "failed": counts[PartitionState.FAILED]}
    if adopt:
        taken = current.services().backfill.adopted(plan.tenant_ids)
        outcome |= {"adopted": taken.tenants, "adopted_rows": taken.rows}
    return outcome


def _bar(length: int, label: str) -> Any:
    return click.progressbar(
        length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    )


def _settle(tenant_ids: list[int]) -> Any:
    work = current.services().backfill
    left = len(tenant_ids)
    told, moved_at = False, time.monotonic()
    with _bar(left, "Provisioning") as bar:
        while remaining := len(work.unsettled(tenant_ids)):
            if remaining < left:
                moved_at = time.monotonic()
            elif not told and time.monotonic() - moved_at > HINT_AFTER_S:
                click.echo(_hint(), err=True)
                told = True
            bar.update(left - remaining)
            left = remaining
            time.sleep(POLL_S)
        bar.update(left)
    return work.states(tenant_ids)


def _hint() -> str:
    paused = current.services().pauses.state()
    if paused:
        return f"Nothing moves: provisioning is paused {describe(paused)}; flask partitions resume."
    return "Nothing moves; does a worker run, and does Milvus answer?"


def _tell_of_foreign_data(tenants: int) -> None:
    if tenants:
        click.echo(
            f"{tenants} failed because their partitions hold rows already. Where these are the "
            "tenants' own: flask partitions backfill --adopt (or adopt --tenant-id N).",
            err=True,
        )


def _tell(report: dict[str, Any], dry_run: bool) -> None:
    verb = "would be dispatched" if dry_run else "dispatched"
    click.echo(f"{report['dispatched']} {verb}")
    for reason, count in report["skipped"].items():
        click.echo(f"{count} left alone: {reason.replace('_', ' ')}")
    for state in ("ready", "failed"):
        if state in report:
            click.echo(f"{report[state]} {state}")
    if "adopted" in report:
        click.echo(f"{report['adopted']} adopted, with {report['adopted_rows']} rows in all")


@click.command()
@everyone
@some
@click.option("--cause", type=click.Choice([cause.value for cause in Cause]), help="Only these.")
@dry
@as_json
@with_appcontext
def retry(
    everyone: bool,
    tenant_ids: tuple[int, ...],
    cause: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Dispatch failed ones afresh, with all their attempts; without options all of them."""
    to_stderr()
    if everyone and (tenant_ids or cause):
        refuse("--all excludes --tenant-id and --cause")
    selection = FailedSelection(tenant_ids or None, Cause(cause) if cause else None)
    report = current.tenants().retry_failed(
        selection, actor=current.command_line(), dry_run=dry_run
    )
    if unknown := report.skipped.get("unknown"):
        refuse(f"{unknown} of the tenants do not exist or were never asked for")
    shown = {"dispatched": report.queued, "skipped": report.skipped}
    print_json({"dry_run": dry_run, **shown}) if as_json else _tell(shown, dry_run)
    if not report.dispatched:
        click.echo("Redis does not take jobs; the reconciler dispatches when it does.", err=True)
