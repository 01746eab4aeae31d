"""Real engines for every test that asks for one: started at the first asking, shared, stopped."""

import atexit
import gc
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
import structlog

from tests.costs import Costs
from tests.engines.availability import is_switched_off, switched_off
from tests.engines.lite import LiteServer
from tests.engines.process import ServerProcess
from tests.engines.redis import RedisServer
from tests.packing import Packed, is_quick, place_of

# Standalone and PostgreSQL are imported where they are started: most runs want neither.

Server = TypeVar("Server", bound=ServerProcess)


def skip_when_switched_off(name: str) -> None:
    """End the test as skipped when its engine was switched off by name."""
    if is_switched_off(name):
        pytest.skip(f"{name} is switched off by PARATIA_TEST_WITHOUT")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse names of engines that do not exist before any test runs.

    Each of several processes that test at once takes a folder for its temporary files, and with
    it what the product has once per machine, as if it were one.
    """
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        tempfile.tempdir = tempfile.mkdtemp(prefix=f"{worker}-")
        os.environ["TMPDIR"] = tempfile.tempdir
        # At the very end, after those that were registered later and put their own things away.
        atexit.register(shutil.rmtree, tempfile.tempdir, ignore_errors=True)
    config.pluginmanager.register(Costs())
    _make_hashes_cheap()
    _compile_templates_once()
    _compile_addresses_once()
    _compile_statements_once()
    _read_authorities_once()
    _let_logs_be_captured()
    _close_connections_of_the_gone()
    try:
        switched_off()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only what starts no whole product")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not quick where that is wanted; the longest begin first."""
    if config.getoption("quick"):
        items[:] = [each for each in items if is_quick(each.path, _engines_of(each))]
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place_of(item.path))


def pytest_collection_finish() -> None:
    """What was imported stays to the end; to look it through is a fifth of what tests cost."""
    gc.freeze()
    gc.set_threshold(5_000, 10, 5)


def _engines_of(item: pytest.Item) -> list[str]:
    """The names of all fixtures that the test asks for, itself or by others, and its parameters."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    named = [each if isinstance(each, tuple) else (each,) for each in parameters]
    words = [word for each in named for word in each if isinstance(word, str)]
    return [*getattr(item, "fixturenames", []), *words]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Packed:
    """Hands the tests out in groups, whatever `--dist` says."""
    return Packed(config, log)


def _make_hashes_cheap() -> None:
    """A password's hash is meant to cost a quarter of a second; hundreds of tests log in."""
    from passlib.hash import argon2

    argon2.default_rounds, argon2.memory_cost, argon2.parallelism = 1, 64, 1


def _compile_templates_once() -> None:
    """Each of a thousand tests has an application of its own, and templates take it a second."""
    from flask import Flask
    from jinja2 import BytecodeCache
    from jinja2.bccache import Bucket

    class Memory(BytecodeCache):
        """What was compiled, by name and source of the template."""

        compiled: ClassVar[dict[tuple[str, str], Any]] = {}

        def load_bytecode(self, bucket: Bucket) -> None:
            bucket.code = self.compiled.get((bucket.key, bucket.checksum))

        def dump_bytecode(self, bucket: Bucket) -> None:
            self.compiled[bucket.key, bucket.checksum] = bucket.code

    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": Memory()}


def _compile_addresses_once() -> None:
    """Half of the time that an application takes to be made goes into its routes' builders.

    A builder is a function of the rule's text alone: what it converts with is an argument.
    """
    from werkzeug.routing import Rule

    compile_anew = Rule._compile_builder
    compiled: dict[tuple[Any, ...], Any] = {}

    def compile_builder(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in compiled:
            compiled[key] = compile_anew(rule, append_unknown)
        return compiled[key]

    Rule._compile_builder = compile_builder  # type: ignore[method-assign]


def _compile_statements_once() -> None:
    """Each of a thousand tests has engines of its own, each of which would compile all SQL anew.

    What a database is sent depends on the statement and its dialect alone: there is one release
    of each database, and one way in which the product makes an engine.
    """
    from sqlalchemy import Engine
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
    from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
    from sqlalchemy.util import LRUCache

    compiled: LRUCache[Any, Any] = LRUCache(10_000)
    nothing_own = property(lambda engine: compiled, lambda engine, own: None)
    Engine._compiled_cache = nothing_own  # type: ignore[assignment]
    # The key of a compiled statement has the dialect in it.
    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[assignment,method-assign]
        dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]


def _read_authorities_once() -> None:
    """Each call of httpx makes a client, which reads all authorities anew; that takes it 20 ms."""
    from httpx._transports import default

    default.create_ssl_context = cache(default.create_ssl_context)


def _let_logs_be_captured() -> None:
    """A logger that keeps its configuration would not be heard by `capture_logs` any more."""
    configure = structlog.configure

    def configure_anew(**options: Any) -> None:
        configure(**options | {"cache_logger_on_first_use": False})

    structlog.configure = configure_anew


def _close_connections_of_the_gone() -> None:
    """Applications of tests end with connections in their pools, of which Python 3.13 complains.

    It does so when it collects them, within any test. A connection outside of a pool that nobody
    closes is still complained of.
    """
    from sqlalchemy import event
    from sqlalchemy.pool import Pool

    @event.listens_for(Pool, "connect")
    def _close_with_record(connection: Any, record: Any) -> None:
        weakref.finalize(record, connection.close)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end which engines the run went without."""
    if switched_off():
        terminalreporter.section("engines switched off")
        terminalreporter.line(", ".join(sorted(switched_off())))


@pytest.fixture(scope="session")
def new_directory() -> Iterator[Callable[[str], Path]]:
    """Makes directories whose paths are short enough for unix sockets; removed at the end."""
    root = Path(tempfile.mkdtemp(prefix="paratia-"))

    def make(name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root))

    yield make
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server(new_directory: Callable[[str], Path]) -> Iterator[RedisServer]:
    """The Redis that all tests share; isolate by names, never flush or stop it."""
    skip_when_switched_off("redis")
    yield from _running(RedisServer(new_directory("redis")))


@pytest.fixture(scope="session")
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url


@pytest.fixture
def spare_redis(new_directory: Callable[[str], Path]) -> Iterator[Callable[..., RedisServer]]:
    """Starts Redis servers that the test may flush, freeze and kill: `spare_redis(over_tcp=…)`."""
    skip_when_switched_off("redis")
    started: list[RedisServer] = []

    def start(*, over_tcp: bool = False) -> RedisServer:
        started.append(RedisServer(new_directory("redis"), over_tcp=over_tcp))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def milvus_lite(new_directory: Callable[[str], Path]) -> Iterator[LiteServer]:
    """The Milvus Lite that all tests share; isolate by collections, never stop or freeze it."""
    skip_when_switched_off("milvus-lite")
    yield from _running(LiteServer(new_directory("lite")))


@pytest.fixture
def spare_lite(new_directory: Callable[[str], Path]) -> Iterator[LiteServer]:
    """A running Milvus Lite that the test may freeze, kill and restart on its data."""
    skip_when_switched_off("milvus-lite")
    yield from _running(LiteServer(new_directory("lite")))


@pytest.fixture(scope="module")
def milvus_standalone(new_directory: Callable[[str], Path]) -> Iterator[ServerProcess]:
    """A Milvus standalone for the tests of one module; its collections hold few partitions.

    It starts in three seconds, and takes a twentieth of a core for as long as it lives.
    """
    skip_when_switched_off("milvus-standalone")
    from tests.engines.standalone import StandaloneServer

    yield from _thrown_away(StandaloneServer(new_directory("standalone")))


@pytest.fixture(scope="module")
def guarded_standalone(new_directory: Callable[[str], Path]) -> Iterator[ServerProcess]:
    """A Milvus standalone that wants credentials, and refuses a quick pace of creations."""
    skip_when_switched_off("milvus-standalone")
    from tests.engines.standalone import StandaloneServer

    yield from _thrown_away(StandaloneServer(new_directory("guarded"), guarded=True))


@pytest.fixture(scope="session")
def fresh_database(new_directory: Callable[[str], Path]) -> Iterator[Callable[..., str]]:
    """Makes a PostgreSQL database at every call, empty or a copy; returns its SQLAlchemy URL."""
    skip_when_switched_off("postgres")
    from tests.engines.postgres import PostgresServer

    server = PostgresServer(new_directory("postgres"))
    yield server.fresh_database
    server.stop()


@pytest.fixture(scope="module")
def postgres_url(fresh_database: Callable[[], str]) -> str:
    """An empty PostgreSQL database for the tests of one module."""
    return fresh_database()


def _running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _thrown_away(server: Server) -> Iterator[Server]:
    """Killed at the end: its graceful stop takes over 15 s, and nobody needs its data."""
    try:
        server.start()
        yield server
    finally:
        server.kill()
