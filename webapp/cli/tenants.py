"""The commands `flask tenants …`: importing tenants, calling deleted ones back."""

import math
from collections.abc import Sequence
from pathlib import Path

import click
from flask.cli import AppGroup

from webapp import current
from webapp.cli.console import number
from webapp.csv_import.faults import FileFault, ImportRefused, Problem, RowFault, UnreadableFile
from webapp.csv_import.parsing import FileRow, parse
from webapp.errors import BeingDropped, DatabaseRestored, NotRemoving, TenantNotFound
from webapp.logs import configure_logging
from webapp.models.naming import MAX_SLUG_LENGTH, clean_name
from webapp.numbers.counter import HIGHEST
from webapp.texts import UnusableText

FIRST_LINE = "the first line of the file must be: id,name,slug"
REFUSALS = {
    FileFault.WORKBOOK: "is a workbook, not a CSV file",
    FileFault.NOT_TEXT: "is not a text file",
    FileFault.NOT_UTF8: "is not UTF-8: line {line} is in another encoding, such as Windows-1252",
    FileFault.BROKEN: (
        "is not a CSV file: in line {line} a quotation mark is not closed, or stands in the "
        "middle of a cell"
    ),
}
SENTENCES = {
    RowFault.NUMBER_UNUSABLE: f"id {{id!r}} must be a number from 1 to {HIGHEST}",
    RowFault.NUMBER_TWICE: "id {id} stands in line {line} already",
    RowFault.NUMBER_TAKEN: "id {number} is taken",
    RowFault.SLUG_UNUSABLE: (
        "slug {given!r} must be lower-case letters and digits joined by hyphens, "
        f"at most {MAX_SLUG_LENGTH} characters"
    ),
    RowFault.SLUG_TWICE: "slug {slug} stands in line {line} already",
    RowFault.SLUG_TAKEN: "slug {slug} is taken",
    RowFault.TOO_MANY_CELLS: "it has more cells than the first line",
}

tenants_cli = AppGroup("tenants", help="Import tenants; call deleted ones back.")


@tenants_cli.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def import_(file: Path, dry_run: bool) -> None:
    """Take over the tenants of FILE (CSV: id, name, slug), all or none. Numbers are kept."""
    configure_logging(current.settings(), stream="stderr")
    rows = _rows(file)
    try:
        count = current.services().uploads.import_all(
            rows, dry_run=dry_run, actor=current.command_line()
        )
    except ImportRefused as error:
        for row in rows:
            for problem in error.rows.get(row.line, ()):
                click.echo(f"line {row.line}: {_sentence(problem, row)}", err=True)
        if not error.rows:
            click.echo("a number or a slug of the file was taken meanwhile; run it again", err=True)
        raise click.ClickException("nothing was imported") from error
    except (BeingDropped, DatabaseRestored) as error:
        raise click.ClickException(f"nothing was imported: {error}") from error
    click.echo(f"{count} tenants {'would be' if dry_run else 'were'} imported")


@tenants_cli.command()
@click.option("--tenant-id", type=number, required=True)
def restore(tenant_id: int) -> None:
    """Call a deleted tenant back, as long as its partition is not being dropped."""
    configure_logging(current.settings(), stream="stderr")
    try:
        tenant = current.tenants().restore(tenant_id, actor=current.command_line())
    except TenantNotFound as error:
        raise click.UsageError(str(error)) from error
    except NotRemoving as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"tenant {tenant.id} is back, with the slug {tenant.slug}")


def _rows(file: Path) -> Sequence[FileRow]:
    try:
        table = parse(file.read_bytes(), most_bytes=math.inf, most_rows=math.inf)
    except UnreadableFile as error:
        if error.fault == FileFault.NO_ROWS:
            return ()
        if error.fault in REFUSALS:
            reason = REFUSALS[error.fault].format(line=error.line)
            raise click.ClickException(f"{file} {reason}") from error
        raise click.UsageError(FIRST_LINE) from error
    if not {"id", "name", "slug"} <= set(table.columns):
        raise click.UsageError(FIRST_LINE)
    return table.rows


def _sentence(problem: Problem, row: FileRow) -> str:
    if problem.fault in SENTENCES:
        return SENTENCES[problem.fault].format(
            id=(row.number or "")[:40], given=(row.slug or "")[:80], **vars(problem)
        )
    try:
        clean_name(row.name)
    except UnusableText as error:
        return f"name {error}"
    raise AssertionError(f"no sentence says {problem.fault}")
