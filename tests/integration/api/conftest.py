"""Applications on each database, and programs that call them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apiflask import APIFlask

from tests.access import EACH_DATABASE, close, database_named, migrated_app, settings_in
from tests.integration.api.caller import Caller, unique, web_server
from webapp.auth.roles import Role
from webapp.settings import Settings


@pytest.fixture(scope="module", params=EACH_DATABASE)
def settings(
    request: pytest.FixtureRequest, new_directory: Callable[[str], Path], redis_url: str
) -> Settings:
    values = {"redis_url": redis_url, "partition_queue": unique("api"), **database_named(request)}
    return settings_in(new_directory("api"), **values)


@pytest.fixture(scope="module")
def app(settings: Settings) -> Iterator[APIFlask]:
    app = migrated_app(settings)
    yield app
    close(app)


@pytest.fixture(scope="module")
def api(app: APIFlask) -> Caller:
    return Caller(app)


@pytest.fixture(scope="module")
def server(
    app: APIFlask, settings: Settings, new_directory: Callable[[str], Path]
) -> Iterator[str]:
    server = web_server(settings, new_directory("web"))
    server.start()
    yield server.address
    server.stop()


@pytest.fixture(scope="module")
def viewer(app: APIFlask) -> Caller:
    return Caller(app, Role.VIEWER)
