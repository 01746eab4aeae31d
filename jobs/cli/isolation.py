"""The commands about pre-existing rows and the isolation of partitions."""

import sys

import click
from flask.cli import with_appcontext

from jobs.cli.halts import end_where_held
from webapp import current
from webapp.audit import log as audit
from webapp.cli.console import as_json, number, print_json, refuse, stdin, to_stderr
from webapp.errors import NotForeign, TenantNotFound
from webapp.models.states import CanaryOutcome

EXIT_CODES = {CanaryOutcome.PASSED: 0, CanaryOutcome.FAILED: 1, CanaryOutcome.NOT_RUN: 3}

tenant = click.option("--tenant-id", type=number, required=True, help="Of this tenant.")


@click.command()
@tenant
@with_appcontext
def adopt(tenant_id: int) -> None:
    """Take the rows that a partition held before for its tenant's own.

    For a tenant that failed for foreign_data, once it is known whose rows they are. Exit 1: it is
    requested, and held back by what is named.
    """
    to_stderr()
    try:
        current.services().foreign.adopt(tenant_id, actor=current.command_line())
    except TenantNotFound as error:
        refuse(str(error))
    except NotForeign as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"tenant {tenant_id}: dispatched, to adopt what its partition holds")
    end_where_held(tenant_id)


@click.command()
@tenant
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def empty(tenant_id: int, yes: bool) -> None:
    """Destroy the rows that a partition held before, and make it anew for its tenant.

    For a tenant that failed for foreign_data, once it is known that these rows are not needed.
    Exit 1: it is requested, and held back by what is named.
    """
    to_stderr()
    work = current.services().foreign
    try:
        rows = work.rows_seen(tenant_id)
        if not yes:
            _ask(rows)
        work.empty(tenant_id, actor=current.command_line())
    except TenantNotFound as error:
        refuse(str(error))
    except NotForeign as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"tenant {tenant_id}: dispatched, to destroy what its partition holds")
    end_where_held(tenant_id)


def _ask(rows: str) -> None:
    """Require a human's confirmation at a terminal."""
    click.echo(f"{rows}. All of it would be destroyed, and cannot be brought back.", err=True)
    if not stdin().isatty():
        refuse("this is no terminal, so nothing can be asked; say --yes")
    click.confirm("Destroy it?", abort=True, err=True)


@click.command()
@as_json
@with_appcontext
def canary(as_json: bool) -> None:
    """Check now that rows are found through their own partition only.

    Exit 0: passed. Exit 1: it failed, isolation is broken. Exit 3: it could not be run.
    """
    from jobs.canary.schedule import CanarySchedule
    from jobs.context import Worker

    to_stderr()
    settings = current.settings()
    with current.database().transaction() as session:
        audit.record(
            session,
            actor=current.command_line(),
            action="partitions.check_isolation",
            target=f"collection {settings.milvus_collection}",
        )
    store = Worker(settings, current.services()).store
    try:
        report = CanarySchedule(current.services(), store, settings).run_now()
    finally:
        store.close()
    if as_json:
        print_json({"collection": settings.milvus_collection, **vars(report)})
    else:
        click.echo(f"{report.outcome.replace('_', ' ')}: {report.message}")
    sys.exit(EXIT_CODES[report.outcome])
