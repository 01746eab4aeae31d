"""The composition root: gunicorn and `flask` both start here."""

import gc
import sys

import click
from flask.cli import AppGroup, FlaskGroup
from werkzeug.utils import import_string

from webapp import create_app
from webapp.core import create_core, init_migrations
from webapp.logs import configure_logging
from webapp.settings import SettingsError, load_settings
from webapp.var_dir import keep_files_private, keep_temporary_files

COMMANDS = {
    "audit": "webapp.cli.audit:audit_command",
    "config": "webapp.cli.config:config_command",
    "doctor": "webapp.cli.doctor:doctor_command",
    "partitions": "jobs.cli.partitions:partitions",
    "tenants": "webapp.cli.tenants:tenants_cli",
    "tokens": "webapp.cli.access:tokens_cli",
    "users": "webapp.cli.access:users_cli",
    "worker": "jobs.cli.partitions:worker",
}


class Commands(AppGroup):
    """Imports a command when it is asked for: none needs what all the others do."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *COMMANDS, "db"})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            return import_string(COMMANDS[name])
        if name == "db" and name not in self.commands:
            init_migrations(app)
        return super().get_command(ctx, name)


def is_command() -> bool:
    """Whether a command of ours is being looked up; Flask's own, `flask run`, need the pages."""
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.command, FlaskGroup)


# What is imported stays for good: looking for garbage there takes a sixth of a short command.
gc.freeze()
keep_files_private()
try:
    settings = load_settings()
    keep_temporary_files(settings.var_dir)
    # Results of commands go to stdout alone; servers log there.
    configure_logging(settings, "stderr" if click.get_current_context(silent=True) else "stdout")
    app = create_core(settings) if is_command() else create_app(settings)
except SettingsError as error:
    sys.exit(str(error))

app.cli = Commands(app.name, commands=app.cli.commands)
