"""The commands `flask partitions …`."""

import signal
import sys
import threading
import time
from typing import Any

import click
from flask.cli import AppGroup

from jobs import isolation_cli
from jobs.console import ACTOR, as_json, number
from jobs.console import print_json as _print_json
from jobs.console import refuse as _refuse
from jobs.console import to_stderr as _to_stderr
from webapp import current
from webapp.logs import configure_logging
from webapp.tenants import queries
from webapp.tenants.causes import Cause
from webapp.tenants.errors import TenantNotFound
from webapp.tenants.queries import FailedSelection
from webapp.tenants.states import PartitionState

POLL_S = 0.25
# Longer than a claim's wait for a free worker, shorter than a human's patience.
HINT_AFTER_S = 15.0

partitions = AppGroup("partitions", help="Make, watch and repair the tenants' partitions.")
for command in (isolation_cli.adopt, isolation_cli.empty, isolation_cli.canary):
    partitions.add_command(command)

dry = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
some = click.option(
    "--tenant-id",
    "tenant_ids",
    type=number,
    multiple=True,
    help="Only this tenant; may be repeated.",
)
everyone = click.option("--all", "everyone", is_flag=True, help="All of them (the default).")


@partitions.command()
@everyone
@some
@dry
@click.option("--wait", is_flag=True, help="Wait until each is ready or failed.")
@click.option("--adopt", is_flag=True, help="Take rows that are there for the tenants' own.")
@as_json
def backfill(
    everyone: bool,
    tenant_ids: tuple[int, ...],
    dry_run: bool,
    wait: bool,
    adopt: bool,
    as_json: bool,
) -> None:
    """Make wishes for tenants that have none, and dispatch those that are not ready.

    Without --tenant-id: all without a wish, waiting without a live job, or failed of a
    transient cause. A partition that holds rows already is refused (foreign_data), unless
    --adopt says that what tenants of before have in theirs is their own. Exit 1: some failed
    (with --wait), or Redis did not take the jobs.
    """
    _to_stderr()
    if everyone and tenant_ids:
        _refuse("--all and --tenant-id exclude each other")
    work = current.domain().backfill
    try:
        plan = work.plan(tenant_ids or None, adopt=adopt)
    except TenantNotFound as error:
        _refuse(str(error))
    report: dict[str, Any] = {"dispatched": len(plan.tenant_ids), "skipped": plan.skipped}
    complete = True
    if not dry_run:
        with _bar(len(plan.tenant_ids), "Dispatching") as bar:
            wished, complete = work.dispatch(
                plan.tenant_ids, actor=ACTOR, progress=bar.update, adopting=plan.adopting
            )
        report["dispatched"] = wished
        if wait:
            counts = _settle(plan.tenant_ids)
            report["ready"] = counts[PartitionState.READY]
            report["failed"] = counts[PartitionState.FAILED]
            if adopt:
                taken = work.adopted(plan.tenant_ids)
                report |= {"adopted": taken.tenants, "adopted_rows": taken.rows}
    _print_json({"dry_run": dry_run, **report}) if as_json else _tell(report, dry_run)
    if not complete:
        click.echo("Redis does not take jobs; the reconciler rings when it does.", err=True)
    if report.get("failed"):
        _tell_of_foreign_data(work.foreign(plan.tenant_ids))
    if report.get("failed") or not complete:
        sys.exit(1)


def _bar(length: int, label: str) -> Any:
    return click.progressbar(
        length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    )


def _settle(tenant_ids: list[int]) -> Any:
    work = current.domain().backfill
    left = len(tenant_ids)
    told, moved_at = False, time.monotonic()
    with _bar(left, "Provisioning") as bar:
        while remaining := len(work.unsettled(tenant_ids)):
            if remaining < left:
                moved_at = time.monotonic()
            elif not told and time.monotonic() - moved_at > HINT_AFTER_S:
                click.echo("Nothing moves; does a worker run, and does Milvus answer?", err=True)
                told = True
            bar.update(left - remaining)
            left = remaining
            time.sleep(POLL_S)
        bar.update(left)
    return work.states(tenant_ids)


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


@partitions.command()
@click.option("--tenant-id", type=number, help="Only this tenant.")
@as_json
def status(tenant_id: int | None, as_json: bool) -> None:
    """Counts by state, or one tenant's partition."""
    _to_stderr()
    with current.database().reading() as session:
        if tenant_id is not None:
            tenant = queries.get_tenant(session, tenant_id)
            if tenant is None:
                _refuse(str(TenantNotFound(tenant_id)))
            shown = _partition(tenant.partition)
        else:
            summary = queries.summary(session, current.settings())
            shown = {**summary.states, "without_wish": summary.without_wish}
            adopted = queries.adopted(session)
            shown |= {"adopted": adopted.tenants, "adopted_rows": adopted.rows}
    if as_json:
        _print_json(shown)
        return
    for name, value in (shown or {"partition": "not asked for yet; see backfill"}).items():
        click.echo(f"{name:16} {'' if value is None else value}")


def _partition(row: Any) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "tenant_id": row.tenant_id,
        "collection": row.collection,
        "name": row.name,
        "status": row.state,
        "provider": row.provider,
        "result": row.result,
        "attempts": row.attempts,
        "cause": row.cause,
        "error": row.error,
        "requested_at": _moment(row.requested_at),
        "next_attempt_at": _moment(row.next_attempt_at),
        "ready_at": _moment(row.ready_at),
        "verified_at": _moment(row.verified_at),
        "adopted_rows": row.adopted_rows,
    }


def _moment(at: Any) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


@partitions.command()
@as_json
def failed(as_json: bool) -> None:
    """The failures, grouped by cause."""
    _to_stderr()
    with current.database().reading() as session:
        families = queries.families(session)
    if as_json:
        _print_json([_family(family) for family in families])
        return
    if not families:
        click.echo("Nothing failed.")
    for family in families:
        advice = family.cause.advice
        tenants = "1 tenant" if family.tenants == 1 else f"{family.tenants} tenants"
        click.echo(f"{family.cause}: {tenants}, last {_moment(family.last_seen)}")
        click.echo(f"  {advice.meaning} {advice.remedy}")
        click.echo(f"  e.g. tenant {family.example_tenant_id}: {family.example_error}")


def _family(family: queries.Family) -> dict[str, Any]:
    return {
        "cause": family.cause,
        "tenants": family.tenants,
        "first_seen": _moment(family.first_seen),
        "last_seen": _moment(family.last_seen),
        "example": {"tenant_id": family.example_tenant_id, "error": family.example_error},
        "retry_helps": family.cause.is_transient,
        "meaning": family.cause.advice.meaning,
        "remedy": family.cause.advice.remedy,
    }


@partitions.command()
@everyone
@some
@click.option("--cause", type=click.Choice([cause.value for cause in Cause]), help="Only these.")
@dry
@as_json
def retry(
    everyone: bool,
    tenant_ids: tuple[int, ...],
    cause: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Dispatch failed ones afresh, with all their attempts; without options all of them."""
    _to_stderr()
    if everyone and (tenant_ids or cause):
        _refuse("--all excludes --tenant-id and --cause")
    selection = FailedSelection(tenant_ids or None, Cause(cause) if cause else None)
    report = current.tenants().retry_failed(selection, actor=ACTOR, dry_run=dry_run)
    if unknown := report.skipped.get("unknown"):
        _refuse(f"{unknown} of the tenants do not exist or were never asked for")
    shown = {"dispatched": report.queued, "skipped": report.skipped}
    _print_json({"dry_run": dry_run, **shown}) if as_json else _tell(shown, dry_run)
    if not report.rung:
        click.echo("Redis does not take jobs; the reconciler rings when it does.", err=True)


@partitions.command()
@click.option("--repair", is_flag=True, help="Make again what is missing, drop what came back.")
@as_json
def verify(repair: bool, as_json: bool) -> None:
    """Compare Milvus's partitions with the database's, now.

    Exit 1: drift was found, repaired or not. Exit 3: not everything could be compared.
    """
    from jobs import verify_command

    _to_stderr()
    verify_command.verify(repair=repair, as_json=as_json)


@partitions.command()
@click.option("--once", is_flag=True, help="Sweep once and end.")
def reconcile(once: bool) -> None:
    """Ring what is due, and sweep every RECONCILE_INTERVAL, until stopped."""
    from jobs.context import Worker
    from jobs.reconcile import Reconciler

    settings = current.settings()
    configure_logging(settings, stream="stderr" if once else "stdout")
    reconciler = Reconciler(current.domain(), Worker(settings).store, settings)
    if once:
        _sweep_once(reconciler)
        return
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    reconciler.run(stop)


def _sweep_once(reconciler: Any) -> None:
    """Sweep as soon as whoever sweeps now has ended, and drop what is due to go."""
    give_up_at = time.monotonic() + 2 * current.settings().milvus_timeout + 60
    while not reconciler.sweep():
        if time.monotonic() > give_up_at:
            raise click.ClickException("another sweep does not end; see its log")
        time.sleep(POLL_S)
    reconciler.depart(threading.Event())
