"""The composition root: gunicorn and `flask` both start here."""

import sys

from webapp import create_app
from webapp.settings import SettingsError, load_settings

try:
    settings = load_settings()
    app = create_app(settings)
except SettingsError as error:
    sys.exit(str(error))
