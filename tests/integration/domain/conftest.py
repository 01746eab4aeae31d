"""The domain on both databases, emptied after each test, with a queue of its own for each."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine

from jobs.milvus.client import MilvusPartitionStore
from tests.engines.lite import LiteServer
from tests.factories import Product, empty, migrate, open_engine, settings_for
from tests.integration.domain.commands import Run, runner
from tests.milvus_collections import make_collection
from webapp import create_app
from webapp.extensions import db
from webapp.logs import configure_logging


@pytest.fixture(scope="session", autouse=True)
def _product_logs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Logs as the product writes them; the library's own renderer takes a second a traceback."""
    configure_logging(settings_for(tmp_path_factory.mktemp("logs")), "stderr")


@pytest.fixture(scope="session")
def sqlite_url(new_directory: Callable[[str], Path]) -> str:
    url = f"sqlite:///{new_directory('sqlite')}/paratia.db"
    migrate(url, new_directory("var"))
    return url


@pytest.fixture(scope="session")
def postgresql_url(fresh_database: Callable[[], str], new_directory: Callable[[str], Path]) -> str:
    url = fresh_database()
    migrate(url, new_directory("var"))
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[APIFlask]:
    """The application on each database, before its first migration."""
    url = f"sqlite:///{tmp_path}/empty.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("fresh_database")()
    app = create_app(settings_for(tmp_path, database_url=url))
    with app.app_context():
        yield app
        db.engine.dispose()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def both_engines(request: pytest.FixtureRequest) -> Iterator[Engine]:
    yield from _engine(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(scope="session")
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    """SQLite alone, for what SQL has no part in."""
    yield from _engine(sqlite_url)


@pytest.fixture
def product(both_engines: Engine, redis_url: str, tmp_path: Path) -> Iterator[Product]:
    """The domain on each database; Milvus answers nobody."""
    yield from _product(both_engines, redis_url, tmp_path)


@pytest.fixture
def simple(sqlite_engine: Engine, redis_url: str, tmp_path: Path) -> Iterator[Product]:
    """The domain on SQLite; Milvus answers nobody."""
    yield from _product(sqlite_engine, redis_url, tmp_path)


@pytest.fixture
def whole(simple: Product, milvus_lite: LiteServer, store: MilvusPartitionStore) -> Product:
    """The domain on SQLite with a collection of Milvus Lite."""
    return _placed(simple, milvus_lite.uri, store)


@pytest.fixture
def placed(product: Product, milvus_lite: LiteServer, store: MilvusPartitionStore) -> Product:
    """The domain on each database with a collection of Milvus Lite."""
    return _placed(product, milvus_lite.uri, store)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Run:
    """Runs commands for the product of the test, with a Milvus or without."""
    name = "whole" if "whole" in request.fixturenames else "simple"
    return runner(request.getfixturevalue(name))


@pytest.fixture(scope="session")
def store(milvus_lite: LiteServer) -> Iterator[MilvusPartitionStore]:
    """A store of the Milvus Lite that all tests share."""
    with closing(MilvusPartitionStore(milvus_lite.uri, "", 10)) as store:
        yield store


def _engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def _product(engine: Engine, redis_url: str, var_dir: Path) -> Iterator[Product]:
    url = engine.url.render_as_string(hide_password=False)
    yield Product(settings_for(var_dir, database_url=url, redis_url=redis_url), engine)
    empty(engine)


def _placed(product: Product, uri: str, store: MilvusPartitionStore) -> Product:
    placed = product.configured(milvus_uri=uri, milvus_collection=make_collection(uri))
    placed.milvus = store
    return placed
