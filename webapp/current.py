"""The objects of the application for the current request or command, and its actor."""

import getpass
import socket
from typing import cast

from flask import abort, current_app, request

from webapp.auth.principal import current_principal
from webapp.db.session import Database
from webapp.http.paths import API_PREFIX
from webapp.http.request_log import request_id
from webapp.models.audit import Actor, Via
from webapp.services import Services
from webapp.settings import Settings
from webapp.tenants.service import TenantService


def settings() -> Settings:
    """The settings that this process was started with."""
    return cast(Settings, current_app.extensions["settings"])


def database() -> Database:
    """The database for services and commands; pages read with `admin.base.reading`."""
    return cast(Database, current_app.extensions["database"])


def services() -> Services:
    """All use cases, by subject."""
    return cast(Services, current_app.extensions["services"])


def tenants() -> TenantService:
    """The use cases of single tenants."""
    return services().tenants


def actor() -> Actor:
    """The actor of this request; 401 without one, though the guard lets none of these pass."""
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
