"""Access: users, roles, sessions, API tokens, the login pages."""

from flask import Flask

import webapp.auth.models  # noqa: F401  registers the tables
from webapp.auth import guard, kept, limits, login, sessions
from webapp.settings import Settings


def init_app(app: Flask, settings: Settings) -> None:
    """Deny by default, then add login and sessions. Before any other `before_request`."""
    guard.init_app(app)
    sessions.init_app(app, settings)
    login.init_app(app)
    limits.init_app(app)
    kept.init_app(app)
