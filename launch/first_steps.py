"""Migrates the database, then makes the first admin; one process, because each costs a start.

Run as `python -m launch.first_steps`. Prints the first admin's password, alone on a line,
when it generated one.
"""

from flask_migrate import upgrade

from webapp.logs import configure_logging
from wsgi import app, settings


def main() -> None:
    """Both steps may run again at any time: what is done already is left as it is."""
    configure_logging(settings, "stderr")
    with app.app_context():
        upgrade()
    app.cli.main(["users", "ensure-admin"], prog_name="flask")


if __name__ == "__main__":
    main()
