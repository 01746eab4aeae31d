"""An application on SQLite and the shared Redis, with roads of its own through the limiter."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask

from tests.access import Visitor, close, migrated_app, settings_in
from webapp import create_app

_addresses = itertools.count(1)


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated database, to be copied: migrating takes longer than most tests."""
    var_dir = tmp_path_factory.mktemp("migrated")
    close(migrated_app(settings_in(var_dir)))
    return var_dir


@pytest.fixture
def app(migrated_database: Path, tmp_path: Path, redis_url: str) -> Iterator[APIFlask]:
    shutil.copytree(migrated_database, tmp_path, dirs_exist_ok=True)
    app = create_app(settings_in(tmp_path, redis_url=redis_url))
    yield app
    close(app)


@pytest.fixture
def visitor(app: APIFlask) -> Visitor:
    """A browser on an address of its own, so that no test uses up another's attempts."""
    return Visitor(app, new_address())


@pytest.fixture
def another_visitor(app: APIFlask) -> Callable[[], Visitor]:
    return lambda: Visitor(app, new_address())


def new_address() -> str:
    number = next(_addresses)
    return f"198.18.{number // 250}.{number % 250 + 1}"


@pytest.fixture
def another_app(app: APIFlask, tmp_path: Path, redis_url: str) -> Iterator[Callable[..., APIFlask]]:
    """Makes further applications on the same database, as another process has them."""
    made: list[APIFlask] = []

    def make(**values: Any) -> APIFlask:
        made.append(create_app(settings_in(tmp_path, **{"redis_url": redis_url, **values})))
        return made[-1]

    yield make
    for another in made:
        close(another)
