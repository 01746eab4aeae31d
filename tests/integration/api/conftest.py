"""Applications on each database, and programs that call them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apiflask import APIFlask

from tests.access import migrated_app, settings_in
from tests.integration.api.caller import Caller, unique
from tests.integration.api.serving import Gunicorn
from webapp.auth.roles import Role
from webapp.extensions import db
from webapp.settings import Settings

SECRET_KEY = "for these tests and nothing else"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def settings(
    request: pytest.FixtureRequest, new_directory: Callable[[str], Path], redis_url: str
) -> Settings:
    values = {"redis_url": redis_url, "partition_queue": unique("api")}
    if request.param == "postgresql":
        values["database_url"] = request.getfixturevalue("postgres_url")
        values["secret_key"] = SECRET_KEY
    return settings_in(new_directory("api"), **values)


@pytest.fixture(scope="module")
def app(settings: Settings) -> Iterator[APIFlask]:
    app = migrated_app(settings)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(scope="module")
def api(app: APIFlask) -> Caller:
    return Caller(app)


@pytest.fixture(scope="module")
def server(
    app: APIFlask, settings: Settings, new_directory: Callable[[str], Path]
) -> Iterator[str]:
    gunicorn = Gunicorn(settings, new_directory("web") / "web.log")
    gunicorn.start()
    yield gunicorn.address
    gunicorn.stop()


@pytest.fixture(scope="module")
def viewer(app: APIFlask) -> Caller:
    return Caller(app, Role.VIEWER)
