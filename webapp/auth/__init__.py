"""Access: users, roles, sessions, API tokens, the login pages."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from webapp.settings import Settings


def init_app(app: "Flask", settings: "Settings") -> None:
    """Deny by default, then the ways in. Must come before any other `before_request`."""
    # Imported here: commands use parts of this package, and have no sessions and no login page.
    from webapp.auth import guard, kept_forms, login, login_limits, sessions

    guard.init_app(app)
    sessions.init_app(app, settings)
    login.init_app(app)
    login_limits.init_app(app)
    kept_forms.init_app(app)
