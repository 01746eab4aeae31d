"""The product under test: once with what it embeds, once on servers of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jobs.milvus.client import create_collection_if_missing

from tests.acceptance.product import Product, running_product
from tests.conftest import skip_when_switched_off
from tests.engines.redis import RedisServer

SECRET_KEY = "only-for-these-tests-only-for-these-tests"


@pytest.fixture(scope="module", params=["embedded", "served"])
def product(
    request: pytest.FixtureRequest, new_directory: Callable[[str], Path]
) -> Iterator[Product]:
    """The running product, on each of the two stacks in turn, never on both at once."""
    if request.param == "embedded":
        running = _embedded(new_directory)
    else:
        running = _served(new_directory, request.getfixturevalue("fresh_database"))
    with running as product:
        yield product


@contextmanager
def _embedded(new_directory: Callable[[str], Path]) -> Iterator[Product]:
    """`make run` as a newcomer has it."""
    with running_product(new_directory("var"), RECONCILE_INTERVAL="3") as product:
        yield product


@contextmanager
def _served(
    new_directory: Callable[[str], Path], fresh_database: Callable[[], str]
) -> Iterator[Product]:
    """The product on PostgreSQL, a Redis over TCP and a Milvus standalone."""
    for engine in ("redis", "milvus-standalone"):
        skip_when_switched_off(engine)
    from tests.engines.standalone import StandaloneServer

    redis, milvus = RedisServer(new_directory("redis"), over_tcp=True), None
    try:
        redis.start()
        milvus = StandaloneServer(new_directory("acceptance"), max_partitions=4096)
        milvus.start()
        create_collection_if_missing(milvus.uri, "", "kb_chunks_v1", 30)
        with running_product(
            new_directory("var"),
            DATABASE_URL=fresh_database(),
            SECRET_KEY=SECRET_KEY,
            REDIS_URL=redis.url,
            MILVUS_URI=milvus.uri,
            RECONCILE_INTERVAL="3",
        ) as product:
            yield product
    finally:
        redis.kill()
        if milvus is not None:
            milvus.kill()
