"""Migrates the database, lifts the numbers, makes the first admin, in one process to save time.

Run as `python -m launch.first_steps`. Prints the first admin's password, alone on a line, when it
was generated, and lines that begin with `Warning:` for the terminal. Its events are logged to a
file, as those of the parts are. Where the database cannot be used, it exits with `NO_DATABASE`, and
the last line on stderr says why.
"""

import os
import sys

from click import ClickException
from flask_migrate import upgrade
from sqlalchemy.exc import SQLAlchemyError

from jobs.context import Worker
from jobs.reconciler.numbering import lift_at_start
from launch.parts import SET_UP
from webapp.cli.access import ensure_admin, prepare_passwords
from webapp.core import create_core, init_migrations, services_of
from webapp.db.schema_revision import Schema, SchemaBehind, SchemaState
from webapp.logs import configure_logging
from webapp.outages import sentence
from webapp.settings import Settings, load_settings

NO_DATABASE = os.EX_UNAVAILABLE


def main() -> None:
    """Each step may run again at any time: what is done already is left as it is."""
    settings = load_settings()
    folder = settings.var_dir / "log"
    folder.mkdir(exist_ok=True)
    configure_logging(settings, folder / f"{SET_UP}.log")
    try:
        _run(settings)
    except SQLAlchemyError as error:
        line = sentence(error, settings)
        if line is None:
            raise
        print(line, file=sys.stderr)
        sys.exit(NO_DATABASE)
    except SchemaBehind as behind:
        print(behind, file=sys.stderr)
        sys.exit(NO_DATABASE)
    except ClickException as refusal:
        print(refusal.message, file=sys.stderr)
        sys.exit(NO_DATABASE)


def _run(settings: Settings) -> None:
    app = create_core(settings)
    init_migrations(app)
    with app.app_context():
        revision = Schema(app.extensions["database"]).revision()
        if revision.state is SchemaState.UNKNOWN:
            # An upgrade would begin with the first table, which is there.
            raise SchemaBehind(revision)
        upgrade()
        if warning := lift_at_start(Worker(settings, services_of(app))):
            print(f"Warning: {warning}", flush=True)
        # Not by their group, which would log to stderr.
        prepare_passwords()
        ensure_admin.main([], prog_name="flask users ensure-admin")


if __name__ == "__main__":
    main()
