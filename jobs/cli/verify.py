"""The command `flask partitions verify`: what it prints, and its exit codes."""

import sys
from contextlib import closing
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from jobs.cli.halts import describe_brake, describe_pause, serialize_brake
from jobs.drift.compare import Comparison
from jobs.drift.verify import Report
from jobs.drift.verify import verify as check
from webapp import current
from webapp.cli.console import as_json, print_json, refuse, to_stderr
from webapp.models.states import DriftKind
from webapp.outages import sentence
from webapp.partitions.drift import Finding

DRIFT_FOUND = 1
# Neither 0 nor 1: without a comparison nothing is known about drift.
NOT_COMPARED = 3
SHOWN = ("tenant_id", "collection", "partition", "rows", "note")


@click.command()
@click.option("--repair", is_flag=True, help="Make again what is missing, drop what came back.")
@click.option(
    "--accept-moved",
    is_flag=True,
    help="Tenants' rows are in the collections that moved aliases stand for now.",
)
@as_json
@with_appcontext
def verify(repair: bool, accept_moved: bool, as_json: bool) -> None:
    """Compare Milvus's partitions with the database's, now.

    Exit 1: drift was found, repaired or not, or a brake is on, behind which --repair changes
    nothing. Exit 2: bad usage, or --repair during a pause, when nothing is compared either. Exit
    3: not everything could be compared.
    """
    from jobs.context import Worker

    to_stderr()
    actor = current.command_line()
    try:
        services = current.services()
        paused = services.pauses.state() if repair else None
        if paused:
            refuse(f"nothing can be repaired: provisioning is paused {describe_pause(paused)}")
        with closing(Worker(current.settings(), services).store) as store:
            report = check(
                services,
                store,
                repair_for=actor if repair else None,
                accept_for=actor if accept_moved else None,
            )
    except SQLAlchemyError as error:
        why = sentence(error, current.settings()) or type(error).__name__
        click.echo(f"Nothing was compared. {why}", err=True)
        sys.exit(NOT_COMPARED)
    for collection, refusal in report.not_compared.items():
        click.echo(f"Not compared: {collection}: {refusal.message} ({refusal.cause}).", err=True)
    if not report.compared:
        click.echo("Nothing was compared.", err=True)
    elif as_json:
        print_json(serialize(report))
    else:
        click.echo(describe(report))
    for held in report.held:
        click.echo(f"Held back, nothing is made again: {describe_brake(held)}", err=True)
    if report.not_compared:
        sys.exit(NOT_COMPARED)
    if report.is_drift:
        sys.exit(DRIFT_FOUND)


def serialize(report: Report) -> dict[str, Any]:
    """The report as JSON."""
    answer: dict[str, Any] = {"drift": report.is_drift}
    answer |= {str(kind): [_item(each) for each in report.of(kind)] for kind in DriftKind}
    answer["collections"] = [_collection(each) for each in report.compared]
    answer["not_compared"] = [
        {"collection": collection, "cause": str(error.cause), "message": error.message}
        for collection, error in report.not_compared.items()
    ]
    answer["brakes"] = [serialize_brake(each) for each in report.held]
    if report.repaired is not None:
        answer["repaired"] = {str(kind): count for kind, count in report.repaired.items()}
    return answer


def _item(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in SHOWN}


def _collection(comparison: Comparison) -> dict[str, Any]:
    return {
        "collection": comparison.listing.collection,
        "partitions": len(comparison.listing.names),
        "ready": len(comparison.listing.ready),
        "other": comparison.other,
    }


def describe(report: Report) -> str:
    lines = [
        f"{each['collection']}: {each['partitions']} partitions, {each['ready']} tenants ready, "
        f"{each['other']} of other names"
        for each in map(_collection, report.compared)
    ]
    for kind in DriftKind:
        findings = report.of(kind)
        lines += [f"{kind}: {len(findings)}"] if findings else []
        lines += [_line(finding) for finding in findings if kind != DriftKind.ADOPTED]
    if report.repaired is not None:
        again, dropped = report.repaired.values()
        lines.append(f"Repaired: {again} are made again, {dropped} were dropped again.")
    lines.append("Drift was found." if report.is_drift else "No drift.")
    return "\n".join(lines)


def _line(finding: Finding) -> str:
    rows = "" if finding.rows is None else f", {finding.rows} rows"
    note = f": {finding.note}" if finding.note else ""
    return f"  {finding.partition} in {finding.collection}{rows}{note}"
