"""Migrates the database, lifts the numbers, makes the first admin; one process, for speed's sake.

Run as `python -m launch.first_steps`. Prints the first admin's password, alone on a line, when
it generated one, and a line that begins with `Warning:` for what its reader should know. Where
the database cannot be used, its last line on stderr says why, and it exits with `NO_DATABASE`.
"""

import os
import sys

from flask_migrate import upgrade
from sqlalchemy.exc import SQLAlchemyError

from jobs.context import Worker
from jobs.reconciler.numbering import lift_at_start
from webapp.cli.access import users_cli
from webapp.core import create_core, init_migrations, services_of
from webapp.logs import configure_logging
from webapp.outages import sentence
from webapp.settings import Settings, load_settings

NO_DATABASE = os.EX_UNAVAILABLE


def main() -> None:
    """Each step may run again at any time: what is done already is left as it is."""
    settings = load_settings()
    configure_logging(settings, "stderr")
    try:
        _run(settings)
    except SQLAlchemyError as error:
        told = sentence(error, settings)
        if told is None:
            raise
        print(told, file=sys.stderr)
        sys.exit(NO_DATABASE)


def _run(settings: Settings) -> None:
    app = create_core(settings)
    init_migrations(app)
    with app.app_context():
        upgrade()
        if warning := lift_at_start(Worker(settings, services_of(app))):
            print(f"Warning: {warning}", flush=True)
        users_cli.main(["ensure-admin"], prog_name="flask users")


if __name__ == "__main__":
    main()
