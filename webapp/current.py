"""The objects of the application for the current request or command, and its actor."""

import getpass
import socket
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, abort, current_app, request

from webapp import core
from webapp.models.audit import Actor, Via
from webapp.settings import Settings

if TYPE_CHECKING:
    from webapp.db.session import Database
    from webapp.services import Services
    from webapp.tenants.service import TenantService


def app() -> Flask:
    """The application itself, which outlives the request."""
    return cast(Flask, cast(Any, current_app)._get_current_object())


def settings() -> Settings:
    return cast(Settings, current_app.extensions["settings"])


def database() -> "Database":
    """Where services write and commands read.

    Raises:
        SchemaBehind: its schema is older than this release.
    """
    core.schema_of(app()).require()
    return core.database_of(app())


def services() -> "Services":
    """The use cases; raises SchemaBehind as `database` does."""
    core.schema_of(app()).require()
    return core.services_of(app())


def tenants() -> "TenantService":
    return services().tenants


def actor() -> Actor:
    """The actor of this request; 401 without one, though the guard lets none of these pass."""
    # Imported here: commands use this module as well, and have no login.
    from webapp.auth.principal import current_principal
    from webapp.http.paths import API_PREFIX
    from webapp.http.request_log import request_id

    principal = current_principal()
    if principal is None:
        abort(401)
    via = Via.API if request.path.startswith(API_PREFIX) else Via.PANEL
    return Actor(principal.actor, via, request.remote_addr, request_id())


def command_line() -> Actor:
    """The actor of a command: the system user and the host name."""
    return Actor("cli", Via.CLI, f"{_login()}@{socket.gethostname()}")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # In a container the user id may have no name.
        return "unknown"
