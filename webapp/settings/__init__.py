"""The product's settings: one frozen, typed object, and the only reader of the environment."""

from webapp.settings.loading import load_settings
from webapp.settings.model import Settings, SettingsError
from webapp.settings.project import PROJECT_ROOT, VERSION

__all__ = ["PROJECT_ROOT", "VERSION", "Settings", "SettingsError", "load_settings"]
