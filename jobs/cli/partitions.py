"""The commands `flask partitions …`."""

import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.cli import brake, dispatch, isolation, orphans, pause, verify
from jobs.cli.halts import EVERYONE, describe_pause, exit_if_held, serialize_pause, tell_halts
from webapp import core, current
from webapp.cli.console import as_json, number, print_json, refuse, to_stderr
from webapp.errors import TenantNotFound
from webapp.halts.pause_state import PauseState
from webapp.logs import configure_logging
from webapp.models.partition import Partition
from webapp.models.process import ProcessKind
from webapp.models.states import PartitionState
from webapp.partitions import failures
from webapp.partitions import summary as figures
from webapp.tenants import queries
from webapp.times import rfc3339

POLL_S = 0.25

partitions = AppGroup("partitions", help="Make, watch and repair the tenants' partitions.")
for command in (
    brake.acknowledge,
    brake.brake,
    brake.restored,
    dispatch.backfill,
    dispatch.retry,
    isolation.adopt,
    isolation.empty,
    isolation.canary,
    orphans.orphans,
    pause.pause,
    pause.resume,
    verify.verify,
):
    partitions.add_command(command)


@partitions.command()
@click.option("--tenant-id", type=number, help="Only this tenant.")
@as_json
def status(tenant_id: int | None, as_json: bool) -> None:
    """Counts by state, or one tenant's partition."""
    to_stderr()
    with current.database().reading() as session:
        if tenant_id is not None:
            tenant = queries.get_tenant(session, tenant_id)
            if tenant is None:
                refuse(str(TenantNotFound(tenant_id)))
            shown = _partition(tenant.partition)
        else:
            summary = figures.summary(session, current.settings())
            shown = {**summary.states, "without_wish": summary.not_requested}
            shown |= {"trying_again": summary.trying_again}
            shown |= {"waiting_since": rfc3339(summary.waiting_since)}
            adopted = figures.adopted(session)
            shown |= {"adopted": adopted.tenants, "adopted_rows": adopted.rows}
            shown |= {"rows_lost": summary.rows_lost}
            shown |= {"paused": _pause(summary.paused, as_json=as_json)}
    if as_json:
        print_json(shown)
        return
    for name, value in (shown or {"partition": "not asked for yet; see backfill"}).items():
        click.echo(f"{name:16} {'' if value is None else value}")


def _pause(state: PauseState | None, *, as_json: bool) -> Any:
    if as_json:
        return serialize_pause(state)
    return describe_pause(state) if state else "no"


def _partition(row: Partition) -> dict[str, Any] | None:
    if not row.is_requested:
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
        "requested_at": rfc3339(row.requested_at),
        "last_requested_at": rfc3339(row.last_requested_at),
        "waiting_since": rfc3339(row.waiting_since),
        "next_attempt_at": rfc3339(row.next_attempt_at),
        "ready_at": rfc3339(row.ready_at),
        "verified_at": rfc3339(row.verified_at),
        "adopted_rows": row.adopted_rows,
        "rows_lost_at": rfc3339(row.rows_lost_at),
    }


@partitions.command()
@as_json
def failed(as_json: bool) -> None:
    """The failures, grouped by cause.

    What holds tenants back that have not failed is on stderr: a brake, a restored database (exit
    1, as of `backfill`), or a pause.
    """
    to_stderr()
    families = current.database().read(failures.families)
    if as_json:
        print_json([_family(family) for family in families])
    else:
        _print_families(families)
    tell_halts(EVERYONE)
    exit_if_held(EVERYONE)


def _print_families(families: Sequence[failures.Family]) -> None:
    if not families:
        click.echo("Nothing failed.")
    if missing := current.database().read(_missing):
        click.echo(f"{missing} missing: ready before, and in Milvus no more.")
    for family in families:
        advice = family.cause.advice
        tenants = "1 tenant" if family.tenants == 1 else f"{family.tenants} tenants"
        waiting, last = rfc3339(family.waiting_since), rfc3339(family.last_failed_at)
        click.echo(f"{family.cause}: {tenants}, waiting since {waiting}, last failure {last}")
        click.echo(f"  {advice.meaning} {advice.remedy}")
        click.echo(f"  e.g. tenant {family.example_tenant_id}: {family.example_error}")


def _missing(session: Session) -> int:
    gone = select(func.count()).where(Partition.state == PartitionState.MISSING)
    return session.scalar(gone) or 0


def _family(family: failures.Family) -> dict[str, Any]:
    return {
        "cause": family.cause,
        "tenants": family.tenants,
        "first_seen": rfc3339(family.waiting_since),
        "last_seen": rfc3339(family.last_failed_at),
        "waiting_since": rfc3339(family.waiting_since),
        "example": {"tenant_id": family.example_tenant_id, "error": family.example_error},
        "retry_helps": family.cause.is_transient,
        "meaning": family.cause.advice.meaning,
        "remedy": family.cause.advice.remedy,
    }


@partitions.command()
@click.option("--once", is_flag=True, help="Sweep once and end.")
def reconcile(once: bool) -> None:
    """Dispatch what is due, and sweep every RECONCILE_INTERVAL, until stopped.

    With --once it exits with 1 if a brake or a restored database still holds something back.
    """
    settings, stop = current.settings(), threading.Event()
    configure_logging(settings, stream="stderr" if once else "stdout")
    if once:
        _sweep_once(_reconciler())
        tell_halts(EVERYONE)
        exit_if_held(EVERYONE)
        return
    from jobs.context import await_schema
    from webapp.conditions.watch import Watch

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    schema = core.schema_of(current.app())
    if not await_schema(schema, stop):
        return
    watch = Watch(current.database(), settings, ProcessKind.RECONCILER, schema)
    watch.heartbeat.start()
    _reconciler().run(stop, watch.heartbeat.set_activity)
    watch.heartbeat.stop()


def _reconciler() -> Any:
    from jobs.context import Worker
    from jobs.reconciler.loop import Reconciler

    settings, services = current.settings(), current.services()
    return Reconciler(services, Worker(settings, services).store, settings)


@click.command()
@click.option("--burst", is_flag=True, help="End when nothing waits any more.")
@with_appcontext
def worker(burst: bool) -> None:
    """Work for both queues, sign-ups first, until stopped: our two functions and no other."""
    if burst:
        # It waits for nothing: what is not there is said before pymilvus is loaded.
        current.services().job_queue.connection.ping()
    from jobs.queue_worker import queue_worker
    from jobs.worker import DICT_CONFIG  # noqa: F401  loads what jobs need, and logs to stdout

    queue_worker(current.settings()).work(burst=burst)


def _sweep_once(reconciler: Any) -> None:
    """Sweep as soon as any other sweep has ended; then do what else is due."""
    from jobs.reconciler.bulk_loops import run_imports, run_operations

    give_up_at = time.monotonic() + 2 * current.settings().milvus_timeout + 60
    while not reconciler.sweep():
        if time.monotonic() > give_up_at:
            raise click.ClickException("another sweep does not end; see its log")
        time.sleep(POLL_S)
    reconciler.remove_due(threading.Event())
    reconciler.fulfil_requests(threading.Event())
    run_operations(current.services().operations, threading.Event())
    run_imports(current.services().uploads, threading.Event())
