"""The engines that all other tests stand on."""

from collections.abc import Callable

from redis import Redis
from sqlalchemy import create_engine, text

from tests.engines.redis import RedisServer


def test_redis_keeps_what_it_holds_when_it_is_restarted(
    spare_redis: Callable[..., RedisServer],
) -> None:
    server = spare_redis()
    with Redis.from_url(server.url) as client:
        client.set("name", "kept")
    server.restart()
    with Redis.from_url(server.url) as client:
        assert client.get("name") == b"kept"


def test_redis_is_empty_when_it_was_flushed(spare_redis: Callable[..., RedisServer]) -> None:
    server = spare_redis(over_tcp=True)
    with Redis.from_url(server.url) as client:
        client.set("name", "lost")
        server.flush()
        assert client.dbsize() == 0


def test_databases_are_apart_when_two_are_asked_for(fresh_database: Callable[[], str]) -> None:
    first, second = create_engine(fresh_database()), create_engine(fresh_database())
    with first.begin() as connection:
        connection.execute(text("CREATE TABLE thing (id int)"))
    with second.begin() as connection:
        tables = connection.execute(text("SELECT count(*) FROM pg_tables WHERE tablename='thing'"))
        assert tables.scalar_one() == 0
    first.dispose()
    second.dispose()
