"""A database that is frozen, gone, locked or full: an answer in time, and no loss."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from apiflask import APIFlask
from sqlalchemy import event
from werkzeug.test import TestResponse

from tests.access import PASSWORD, Visitor, add_user, close, migrated_app, settings_in
from tests.conftest import skip_when_switched_off
from tests.engines.lite import LiteServer
from tests.engines.postgres import SparePostgres
from tests.engines.process import wait_until
from tests.engines.proxy import Mode, Proxy
from tests.factories import FaultyStore, Product, migrate, open_engine, settings_for
from tests.integration.api.caller import Caller, assert_problem, unique
from tests.milvus_collections import make_collection
from webapp.auth.roles import Role
from webapp.db import deadline
from webapp.db import postgres as connections
from webapp.extensions import db

REQUEST_S = 2.0  # instead of 8, so that the tests need not wait so long
# libpq takes two seconds at the least for a new connection.
ANSWERED_S = REQUEST_S + 2.5


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "REQUEST_S", REQUEST_S)


@pytest.fixture(scope="module")
def postgres(new_directory: Callable[[str], Path]) -> Iterator[SparePostgres]:
    """A PostgreSQL that these tests may freeze and kill."""
    skip_when_switched_off("postgres")
    server = SparePostgres(new_directory("pg"))
    server.start()
    yield server
    server.thaw()
    server.stop()


@pytest.fixture(scope="module")
def network(postgres: SparePostgres) -> Iterator[Proxy]:
    with Proxy(postgres.socket) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def app(
    postgres: SparePostgres, network: Proxy, new_directory: Callable[[str], Path], redis_url: str
) -> Iterator[APIFlask]:
    """The application, with that network between it and its database."""
    postgres.execute("CREATE DATABASE trouble")
    app = migrated_app(
        settings_in(
            new_directory("trouble"),
            database_url=f"postgresql+psycopg://postgres@127.0.0.1:{network.port}/trouble",
            secret_key="sixteen or more of it",
            redis_url=redis_url,
            partition_queue=unique("trouble"),
        )
    )
    yield app
    close(app)


@pytest.fixture(scope="module")
def api(app: APIFlask) -> Caller:
    return Caller(app)


@pytest.fixture
def sqlite_app(tmp_path: Path, redis_url: str) -> Iterator[APIFlask]:
    app = migrated_app(
        settings_in(tmp_path, redis_url=redis_url, partition_queue=unique("trouble"))
    )
    yield app
    close(app)


def timed(call: Callable[[], TestResponse]) -> tuple[TestResponse, float]:
    began = time.monotonic()
    answer = call()
    return answer, time.monotonic() - began


def assert_told(answer: TestResponse, took: float) -> None:
    """Refused in time, with the time to come again."""
    assert answer.status_code == 503
    assert took < ANSWERED_S
    assert int(answer.headers["Retry-After"]) > 0


def assert_unavailable(api: Caller) -> None:
    """Every kind of call is refused in time, and told when to come again."""
    for call in (lambda: api.post("/tenants", {"name": "Acme"}), lambda: api.get("/tenants")):
        answer, took = timed(call)
        assert_problem(answer, 503, "unavailable")
        assert_told(answer, took)


@contextmanager
def frozen(postgres: SparePostgres) -> Iterator[None]:
    postgres.freeze()
    try:
        yield
    finally:
        postgres.thaw()


@contextmanager
def broken(network: Proxy, mode: Mode) -> Iterator[None]:
    network.switch(mode)
    try:
        yield
    finally:
        network.switch(Mode.PASS)


def names(api: Caller) -> list[str]:
    return [item["name"] for items in api.pages("/tenants") for item in items]


def test_calls_and_forms_are_refused_in_time_when_postgres_is_frozen(
    postgres: SparePostgres, app: APIFlask, api: Caller
) -> None:
    visitor = Visitor(app)
    visitor.login(add_user(app, Role.OPERATOR), PASSWORD)
    form = {"name": "Acme", "csrf_token": visitor.csrf_token("/admin/tenant/new/")}
    api.tenant()
    with frozen(postgres):
        assert_unavailable(api)
        answer, took = timed(lambda: visitor.post("/admin/tenant/new/", form))
    assert_told(answer, took)
    assert "look first whether it was made" in answer.text
    api.tenant()


@pytest.mark.parametrize("mode", [Mode.HANG, Mode.REFUSE, Mode.RESET])
def test_calls_are_refused_in_time_when_the_network_to_postgres_fails(
    network: Proxy, api: Caller, mode: Mode
) -> None:
    api.tenant()
    with broken(network, mode):
        assert_unavailable(api)
    api.tenant()


def test_next_call_succeeds_when_postgres_was_killed_and_started_again(
    postgres: SparePostgres, api: Caller
) -> None:
    kept = api.tenant(unique("Kept"))["name"]
    postgres.kill()
    assert_unavailable(api)
    postgres.start()
    api.tenant()
    assert kept in names(api)


@pytest.mark.parametrize("mode", [Mode.CUT, Mode.MUTE])
def test_a_commit_without_an_answer_is_no_success_when_it_has_been_made(
    network: Proxy, api: Caller, mode: Mode
) -> None:
    """The answer is lost, not the commit: nobody may say that it was or was not made."""
    name = unique("Unknown")
    with broken(network, Mode.PASS):
        cut = network.watch(b"COMMIT", lambda: network.switch(mode))
        answer, took = timed(lambda: api.post("/tenants", {"name": name}))
    network.unwatch()
    assert cut.is_set()
    body = assert_problem(answer, 503, "unavailable")
    assert "whether it was made" in body["detail"]
    assert took < ANSWERED_S
    assert name in names(api)


def test_creating_is_refused_in_time_when_sqlite_is_locked(sqlite_app: APIFlask) -> None:
    api = Caller(sqlite_app)
    api.tenant()
    path = sqlite_app.extensions["settings"].database_address.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        answer, took = timed(lambda: api.post("/tenants", {"name": "Acme"}))
        body = assert_problem(answer, 503, "unavailable")
        assert "holds the lock of SQLite's file" in body["detail"]
        assert "does not answer" not in body["detail"]
        assert_told(answer, took)
        assert took > REQUEST_S - 0.5
        assert api.get("/tenants").status_code == 200
    api.tenant()


@pytest.mark.parametrize("trouble", ["max_page_count=1", "query_only=1"])
def test_creating_is_refused_when_sqlite_cannot_write(sqlite_app: APIFlask, trouble: str) -> None:
    """As on a full disk, or one that was made read-only: the same errors of SQLite's."""
    api = Caller(sqlite_app)
    with sqlite_app.app_context():
        engine = db.engine

    def break_it(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA {trouble}")

    event.listen(engine, "connect", break_it)
    engine.dispose()
    rows = [{"name": "x" * 200} for _ in range(1000)]
    assert_problem(api.post("/tenants/bulk", {"tenants": rows}), 503, "unavailable")
    event.remove(engine, "connect", break_it)
    engine.dispose()
    api.tenant()


@pytest.fixture
def worker_of(
    postgres: SparePostgres,
    milvus_lite: LiteServer,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Product]:
    """What a worker works with, on that PostgreSQL and Milvus Lite."""
    monkeypatch.setattr(connections, "ANSWER_S", 1.0)
    name = unique("worker").replace("-", "_")
    postgres.execute(f"CREATE DATABASE {name}")
    migrate(postgres.url(name), tmp_path)
    engine = open_engine(postgres.url(name))
    settings = settings_for(
        tmp_path,
        database_url=postgres.url(name),
        redis_url=redis_url,
        milvus_uri=milvus_lite.uri,
        milvus_collection=make_collection(milvus_lite.uri),
    )
    yield Product(settings, engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("harm", "mend"),
    [(SparePostgres.freeze, SparePostgres.thaw), (SparePostgres.kill, SparePostgres.start)],
)
def test_tenant_is_made_after_all_when_postgres_goes_during_its_attempt(
    worker_of: Product,
    postgres: SparePostgres,
    harm: Callable[[SparePostgres], None],
    mend: Callable[[SparePostgres], None],
) -> None:
    """The worker goes on, and the lease brings the tenant back: nothing is restarted."""
    tenant, other = worker_of.create("Acme"), worker_of.create("Other")
    with worker_of.as_worker() as worker:
        store = FaultyStore(worker.store)
        store.before_creating = lambda: harm(postgres)
        worker_of.work(store, jobs_at_most=1)
        mend(postgres)
        assert worker_of.row(tenant).state == "provisioning"
        worker_of.work(worker.store)
        assert worker_of.row(other).state == "ready"
        worker_of.age(tenant, "lease_until")
        worker_of.reconciler(worker.store).dispatch_due()
        worker_of.work(worker.store)
    row = worker_of.row(tenant)
    assert (row.state, row.result, row.attempts) == ("ready", "created", 2)
    assert worker_of.failed_jobs() == []


def test_the_process_is_ready_again_at_once_when_postgres_thaws(
    postgres: SparePostgres, app: APIFlask
) -> None:
    """Checks that were made meanwhile must not keep the later ones waiting."""
    client = app.test_client()
    with frozen(postgres):
        asked = [timed(lambda: client.get("/readyz")) for _ in range(5)]
    assert {answer.status_code for answer, _ in asked} == {503}
    assert max(took for _, took in asked) < 3.5
    wait_until(lambda: client.get("/readyz").status_code == 200, 5, "the process to be ready")
