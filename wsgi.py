"""The composition root: gunicorn and `flask` both start here."""

import sys

import click

from jobs.cli import partitions
from webapp import create_app
from webapp.cli.access import tokens_cli, users_cli
from webapp.cli.audit import audit_command
from webapp.cli.config import config_command
from webapp.cli.tenants import tenants_cli
from webapp.logs import configure_logging
from webapp.settings import SettingsError, load_settings
from webapp.var_dir import keep_files_private

keep_files_private()
try:
    settings = load_settings()
    # Results of commands go to stdout alone; servers log there.
    configure_logging(settings, "stderr" if click.get_current_context(silent=True) else "stdout")
    app = create_app(settings)
except SettingsError as error:
    sys.exit(str(error))

for command in (
    *(partitions.partitions, partitions.worker, tenants_cli, users_cli, tokens_cli),
    *(audit_command, config_command),
):
    app.cli.add_command(command)
