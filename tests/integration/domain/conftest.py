"""The domain on both databases, emptied after each test, with a queue of its own for each."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from jobs.milvus.client import MilvusPartitionStore
from tests.engines.lite import LiteServer
from tests.factories import Product, empty, migrate, open_engine, settings_for
from tests.milvus_collections import make_collection
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


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def both_engines(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = open_engine(request.getfixturevalue(f"{request.param}_url"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    """SQLite alone, for what SQL has no part in."""
    engine = open_engine(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def product(both_engines: Engine, redis_url: str, tmp_path: Path) -> Iterator[Product]:
    """The domain on each database; Milvus answers nobody."""
    yield _product(both_engines, redis_url, tmp_path)
    empty(both_engines)


@pytest.fixture
def simple(sqlite_engine: Engine, redis_url: str, tmp_path: Path) -> Iterator[Product]:
    """The domain on SQLite; Milvus answers nobody."""
    yield _product(sqlite_engine, redis_url, tmp_path)
    empty(sqlite_engine)


@pytest.fixture
def whole(
    sqlite_engine: Engine, redis_url: str, tmp_path: Path, milvus_lite: LiteServer
) -> Iterator[Product]:
    """The domain on SQLite with a collection of Milvus Lite."""
    collection = make_collection(milvus_lite.uri)
    uri = milvus_lite.uri
    yield _product(sqlite_engine, redis_url, tmp_path, milvus_uri=uri, milvus_collection=collection)
    empty(sqlite_engine)


@pytest.fixture
def placed(product: Product, milvus_lite: LiteServer) -> Product:
    """The domain on each database with a collection of Milvus Lite."""
    collection = make_collection(milvus_lite.uri)
    return product.configured(milvus_uri=milvus_lite.uri, milvus_collection=collection)


@pytest.fixture(scope="session")
def store(milvus_lite: LiteServer) -> Iterator[MilvusPartitionStore]:
    """A store of the Milvus Lite that all tests share."""
    store = MilvusPartitionStore(milvus_lite.uri, "", 10)
    yield store
    store.close()


def _product(engine: Engine, redis_url: str, var_dir: Path, **values: Any) -> Product:
    url = engine.url.render_as_string(hide_password=False)
    settings = settings_for(var_dir, database_url=url, redis_url=redis_url, **values)
    return Product(settings, engine)
