"""The application with an empty database and queues of its own, and visitors of each role."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apiflask import APIFlask

from tests.access import Visitor, add_user, close, settings_in
from tests.engines.redis import RedisServer
from tests.integration.access.conftest import (  # noqa: F401  fixtures
    migrated_database,
    new_address,
)
from webapp import create_app
from webapp.auth.roles import Role


@pytest.fixture
def own_redis(redis_server: RedisServer) -> str:
    """A database of the shared Redis for each test: RQ's list of workers has no other border."""
    return redis_server.new_database()


@pytest.fixture
def app(
    migrated_database: Path,  # noqa: F811
    tmp_path: Path,
    own_redis: str,
) -> Iterator[APIFlask]:
    """The application; nothing works its queues, so partitions stay as the test puts them."""
    shutil.copytree(migrated_database, tmp_path, dirs_exist_ok=True)
    queue = f"q{secrets.token_hex(6)}"
    app = create_app(settings_in(tmp_path, redis_url=own_redis, partition_queue=queue))
    yield app
    close(app)


@pytest.fixture
def as_role(app: APIFlask) -> Callable[[Role], Visitor]:
    def login(role: Role) -> Visitor:
        visitor = Visitor(app, new_address())
        visitor.login(add_user(app, role))
        return visitor

    return login


@pytest.fixture
def operator(as_role: Callable[[Role], Visitor]) -> Visitor:
    """A visitor who may change tenants and partitions."""
    return as_role(Role.OPERATOR)


@pytest.fixture
def admin(as_role: Callable[[Role], Visitor]) -> Visitor:
    return as_role(Role.ADMIN)
