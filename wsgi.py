"""The composition root: gunicorn and `flask` both start here."""

import sys

from webapp import create_app
from webapp.auth.cli import tokens_cli, users_cli
from webapp.settings import SettingsError, load_settings

try:
    settings = load_settings()
    app = create_app(settings)
except SettingsError as error:
    sys.exit(str(error))

app.cli.add_command(users_cli)
app.cli.add_command(tokens_cli)
