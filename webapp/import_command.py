"""The commands `flask tenants …`: taking over tenants of before, calling deleted ones back."""

import csv
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from webapp import current
from webapp.logs import configure_logging
from webapp.tenants.errors import NotRemoving, TenantNotFound
from webapp.tenants.imports import ImportRefused, ImportRow
from webapp.tenants.naming import MAX_TENANT_ID

tenants_cli = AppGroup("tenants", help="Take over tenants from before; call deleted ones back.")


@tenants_cli.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def import_(file: Path, dry_run: bool) -> None:
    """Take over the tenants of FILE (CSV: id, name, slug), all or none. Numbers are kept."""
    configure_logging(current.settings(), stream="stderr")
    try:
        count = current.domain().imports.run(
            _rows(file), dry_run=dry_run, actor=current.command_line()
        )
    except ImportRefused as error:
        for line in error.errors:
            click.echo(line, err=True)
        raise click.ClickException("nothing was imported") from error
    click.echo(f"{count} tenants {'would be' if dry_run else 'were'} imported")


@tenants_cli.command()
@click.option("--tenant-id", type=click.IntRange(1, MAX_TENANT_ID), required=True)
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


def _rows(file: Path) -> list[ImportRow]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, strict=True)
            if set(reader.fieldnames or ()) != {"id", "name", "slug"}:
                raise click.UsageError("the first line of the file must be: id,name,slug")
            return [_row(reader.line_num, values) for values in reader]
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file} is not UTF-8: {error.reason}") from error
    except csv.Error as error:
        raise click.ClickException(f"{file} is not a CSV file: {error}") from error


def _row(line: int, values: dict[Any, Any]) -> ImportRow:
    if None in values or None in values.values():
        raise click.ClickException(f"line {line}: must have three columns: id,name,slug")
    return ImportRow(line, values["id"].strip(), values["name"], values["slug"].strip())
