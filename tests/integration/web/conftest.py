"""The web server as a process of its own, on SQLite and the shared Redis."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.access import add_token, add_user, close, migrated_app, settings_in
from tests.engines.redis import RedisServer
from tests.engines.web import WebServer
from webapp import create_app
from webapp.auth.roles import Role
from webapp.settings import Settings

EMAIL = "admin@example.test"


@pytest.fixture(scope="module")
def settings(new_directory: Callable[[str], Path], redis_server: RedisServer) -> Settings:
    """Of an installation with an admin; nobody else's logins are counted in its Redis."""
    settings = settings_in(new_directory("web"), redis_url=redis_server.new_database())
    app = migrated_app(settings)
    add_user(app, Role.ADMIN, EMAIL)
    close(app)
    return settings


@pytest.fixture(scope="module")
def token(settings: Settings) -> str:
    app = create_app(settings)
    secret = add_token(app, Role.ADMIN)
    close(app)
    return secret


@pytest.fixture(scope="module")
def web(settings: Settings) -> Iterator[WebServer]:
    server = WebServer(settings.var_dir, settings)
    server.start()
    yield server
    server.kill()
