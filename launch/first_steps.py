"""Migrates the database, lifts the numbers, makes the first admin; one process, for speed's sake.

Run as `python -m launch.first_steps`. Prints the first admin's password, alone on a line, when
it generated one, and a line that begins with `Warning:` for what its reader should know.
"""

from flask_migrate import upgrade

from jobs.context import Worker
from jobs.numbers import lift_at_start
from webapp.logs import configure_logging
from wsgi import app, settings


def main() -> None:
    """Each step may run again at any time: what is done already is left as it is."""
    configure_logging(settings, "stderr")
    with app.app_context():
        upgrade()
    if warning := lift_at_start(Worker(settings, app)):
        print(f"Warning: {warning}", flush=True)
    app.cli.main(["users", "ensure-admin"], prog_name="flask")


if __name__ == "__main__":
    main()
