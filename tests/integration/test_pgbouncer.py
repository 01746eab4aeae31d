"""Behind PgBouncer, as the README sets it up: everything works in both of its modes."""

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from apiflask import APIFlask
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from jobs.milvus.client import MilvusPartitionStore
from tests.access import close, database_of, migrated_app, settings_in
from tests.conftest import skip_when_switched_off
from tests.engines.lite import LiteServer
from tests.engines.pgbouncer import PgBouncer
from tests.engines.process import wait_until
from tests.factories import ACTOR, Product, open_engine
from tests.integration.api.caller import Caller
from tests.integration.domain.operations import REQUEST, drive, view
from tests.milvus_collections import make_collection
from webapp.extensions import db
from webapp.models.states import PartitionState
from webapp.operations.selection import Selection

MODES = ("session", "transaction")
CALLERS, EACH = 8, 5
# Fewer connections to the server than there are callers, so that each transaction may meet
# another one. In session mode each of ours keeps one, as the README says.
SIZES = {"session": "default_pool_size = 40\n", "transaction": "default_pool_size = 4\n"}


@pytest.fixture(scope="module")
def pooler(
    fresh_database: Callable[[], str], new_directory: Callable[[str], Path]
) -> Iterator[Callable[..., PgBouncer]]:
    """Starts a PgBouncer before a database: `pooler(database, mode=…)`."""
    skip_when_switched_off("pgbouncer")
    started: list[PgBouncer] = []

    def start(database: str, mode: str, extra: str = "") -> PgBouncer:
        lines = SIZES[mode] + extra
        started.append(PgBouncer(new_directory("bouncer"), database, mode=mode, extra=lines))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="module", params=MODES)
def product(
    request: pytest.FixtureRequest,
    pooler: Callable[..., PgBouncer],
    fresh_database: Callable[[], str],
    new_directory: Callable[[str], Path],
    redis_url: str,
    milvus_lite: LiteServer,
) -> Iterator[tuple[APIFlask, Product]]:
    app = migrated_app(
        settings_in(
            new_directory(request.param),
            database_url=pooler(fresh_database(), request.param).url,
            secret_key="sixteen or more of it",
            redis_url=redis_url,
            milvus_uri=milvus_lite.uri,
            milvus_collection=make_collection(milvus_lite.uri),
            partition_queue=f"bouncer-{secrets.token_hex(4)}",
            partition_grace=0,
        )
    )
    with app.app_context():
        engine = db.engine
    with closing(MilvusPartitionStore(milvus_lite.uri, "", 10)) as store:
        yield app, Product(app.extensions["settings"], engine, store)
    close(app)


def test_nobody_is_refused_when_many_sign_up_while_workers_work(
    product: tuple[APIFlask, Product],
) -> None:
    app, whole = product
    callers = [Caller(app) for _ in range(CALLERS)]
    over = threading.Event()

    def sign_up(caller: Caller) -> list[int]:
        return [caller.tenant(f"Acme {n}")["id"] for n in range(EACH)]

    def reconcile() -> None:
        reconciler = whole.reconciler()
        while not over.wait(0.2):
            reconciler.dispatch_due()
            reconciler.sweep()
            reconciler.count(over)

    with ThreadPoolExecutor(CALLERS + 1) as threads:
        sweeping = threads.submit(reconcile)
        signing_up = [threads.submit(sign_up, caller) for caller in callers]
        try:
            wait_until(lambda: whole.work() or _all_done(signing_up), 60, "the sign-ups")
            numbers = [number for each in signing_up for number in each.result()]
            wait_until(lambda: whole.work() or _are_ready(whole, numbers), 60, "partitions")
        finally:
            over.set()
        sweeping.result()
    assert whole.listed() >= {f"tenant_{number}" for number in numbers}
    assert callers[0].get("/tenants", q="cme 4", limit=100).json["items"]


def test_many_are_backfilled_and_let_go_when_asked_for(product: tuple[APIFlask, Product]) -> None:
    _, whole = product
    numbers = whole.imported_tenants(20, first=5_000)
    asked = whole.services.operations.ask(
        REQUEST, Selection(tenant_ids=tuple(numbers)), actor=ACTOR, expected=20
    )
    drive(whole.services.operations)
    whole.work()
    drive(whole.services.operations)
    assert view(whole, asked.id).is_over
    assert _are_ready(whole, numbers)
    whole.delete(*numbers)
    assert whole.remove_due() == 20


def test_own_limit_holds_and_leaves_nothing_behind(product: tuple[APIFlask, Product]) -> None:
    app, whole = product
    with database_of(app).reading() as session:
        assert session.scalar(text("SHOW statement_timeout")) == "30s"
    outside = create_engine(whole.engine.url)
    with outside.connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "0"
    outside.dispose()


@pytest.mark.parametrize("mode", MODES)
def test_connection_is_refused_when_the_search_path_is_dropped_on_the_way(
    mode: str, pooler: Callable[..., PgBouncer], fresh_database: Callable[[], str]
) -> None:
    bouncer = pooler(fresh_database(), mode, "ignore_startup_parameters = options\n")
    engine = open_engine(f"{bouncer.url}?options=-csearch_path%3Dstaging")
    with pytest.raises(OperationalError, match=r"not in force.*ALTER ROLE"), engine.connect():
        pass
    engine.dispose()


def _all_done(futures: list[Future[list[int]]]) -> bool:
    return all(future.done() for future in futures)


def _are_ready(product: Product, numbers: list[int]) -> bool:
    return all(product.row(number).state == PartitionState.READY for number in numbers)
