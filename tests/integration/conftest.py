"""An application with a database and a Redis of its own; others on the same, as processes are."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask

from tests.access import MakeApp, Visitor, close, database_named, migrated_app, settings_in
from tests.engines.redis import RedisServer
from webapp import create_app


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated database, to be copied: migrating takes longer than most tests."""
    var_dir = tmp_path_factory.mktemp("migrated")
    close(migrated_app(settings_in(var_dir)))
    return var_dir


@pytest.fixture
def own_redis(redis_server: RedisServer) -> str:
    """A database of the shared Redis for each test: RQ's list of workers has no other border."""
    return redis_server.new_database()


@pytest.fixture
def make_app(
    request: pytest.FixtureRequest, migrated_database: Path, tmp_path: Path, own_redis: str
) -> Iterator[MakeApp]:
    """Makes applications on one database, as processes have them; `ON_EACH_DATABASE` says where."""
    shutil.copytree(migrated_database, tmp_path, dirs_exist_ok=True)
    shared = {"redis_url": own_redis, "partition_queue": f"q{secrets.token_hex(6)}"}
    if on_postgres := database_named(request):
        shared |= on_postgres
        close(migrated_app(settings_in(tmp_path, **shared)))
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
