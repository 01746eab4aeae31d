"""The objects of the application that serves the current request or command."""

from typing import cast

from flask import current_app

from webapp.database import Database
from webapp.domain import Domain
from webapp.settings import Settings
from webapp.tenants.service import TenantService


def settings() -> Settings:
    """The settings of this process."""
    return cast(Settings, current_app.extensions["settings"])


def database() -> Database:
    """Where services write and commands read."""
    return cast(Database, current_app.extensions["database"])


def domain() -> Domain:
    """All use cases."""
    return cast(Domain, current_app.extensions["domain"])


def tenants() -> TenantService:
    """The use cases of tenants."""
    return domain().tenants
