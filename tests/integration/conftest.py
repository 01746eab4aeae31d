"""An application with a database and a Redis of its own; others on the same, as processes are."""

import secrets
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import make_url

from tests.access import (
    SECRET_KEY,
    MakeApp,
    Visitor,
    close,
    database_named,
    migrated_app,
    place_database,
    settings_in,
)
from tests.engines.redis import RedisServer
from webapp import create_app


@pytest.fixture(scope="session")
def migrated_database(
    fresh_database: Callable[..., str], new_directory: Callable[[str], Path]
) -> Callable[[], str]:
    """Makes a migrated PostgreSQL database at every call and returns its SQLAlchemy URL."""
    first = fresh_database()
    settings = {"database_url": first, "secret_key": SECRET_KEY}
    close(migrated_app(settings_in(new_directory("migrated"), **settings)))
    return partial(fresh_database, make_url(first).database)


@pytest.fixture
def own_redis(redis_server: RedisServer) -> str:
    """A database of the shared Redis for each test: RQ's list of workers has no other border."""
    return redis_server.new_database()


@pytest.fixture
def make_app(request: pytest.FixtureRequest, tmp_path: Path, own_redis: str) -> Iterator[MakeApp]:
    """Makes applications on one database, as processes have them; `ON_EACH_DATABASE` says where."""
    shared = {"redis_url": own_redis, "partition_queue": f"q{secrets.token_hex(6)}"}
    shared |= database_named(request)
    if "database_url" not in shared:
        place_database(tmp_path)
    made: list[APIFlask] = []

    def make(**values: Any) -> APIFlask:
        made.append(create_app(settings_in(tmp_path, **shared | values)))
        return made[-1]

    yield make
    for app in made:
        close(app)


@pytest.fixture
def app(make_app: MakeApp) -> APIFlask:
    """The application; nothing works its queues, so partitions stay as the test puts them."""
    return make_app()


@pytest.fixture
def visitor(app: APIFlask) -> Visitor:
    return Visitor(app)
