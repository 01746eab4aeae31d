"""Table: the API and sign-ups while the product works, run as `make run` runs it."""

import subprocess
from collections.abc import Callable
from contextlib import closing
from functools import partial

from sqlalchemy import select

from bench.engines import Engines
from bench.figures import Measured, percentile
from bench.load import Call, Caller, latencies, post_tenants
from bench.options import Options
from bench.processes import BIN, ROOT
from bench.product import Product
from bench.rounds import await_that, interleaved
from bench.table import Table, milliseconds, per_second
from bench.whole import whole_product
from webapp.models.partition import Partition

SIGN_UPS = 30
CONNECTIONS, SECONDS = 4, 5.0


def measure(engines: Engines, options: Options) -> Table:
    everybody: dict[str, Callable[[], Measured]] = {
        "nothing else: one sign-up after the other": partial(_alone, engines),
        f"{CONNECTIONS} connections sign up, the worker provisions": partial(_crowd, engines),
        f"during a backfill of {options.many:,}: one sign-up after the other": partial(
            _backfill, engines, options.many
        ),
    }
    return Table.of_rounds(
        "busy",
        "The whole product at work: POST /api/tenants, and until the tenant is ready",
        interleaved(everybody, options.rounds),
        (
            per_second("POST/s"),
            milliseconds("p50", "POST p50 ms"),
            milliseconds("p99", "POST p99 ms"),
            milliseconds("ready_p50", "ready p50 ms"),
            milliseconds("ready_p95", "ready p95 ms"),
        ),
        ("ready: from before the request until the time that its row has as ready_at",),
        drawn=("POST p50 ms", "ready p50 ms", "ready p95 ms"),
    )


def _alone(engines: Engines) -> Measured:
    with whole_product(engines) as whole:
        return _one_by_one(whole.product, lambda calls: len(calls) == SIGN_UPS)


def _crowd(engines: Engines) -> Measured:
    with whole_product(engines) as whole:
        product = whole.product
        token, port = product.token(), product.settings.port
        # Opens connections and fills caches.
        _await_ready(product, post_tenants(port, token, CONNECTIONS, 1.0))
        calls = post_tenants(port, token, CONNECTIONS, SECONDS)
        return {**latencies(calls, SECONDS), **_until_ready(product, calls)}


def _backfill(engines: Engines, tenants: int) -> Measured:
    with whole_product(engines) as whole:
        product = whole.product
        product.import_tenants(tenants)
        command = [str(BIN / "flask"), "partitions", "backfill"]
        with (product.settings.var_dir / "backfill.log").open("wb") as log:
            backfill = subprocess.Popen(
                command, cwd=ROOT, env=product.environment, stdout=log, stderr=log
            )
        await_that(lambda: product.count_ready() > 0)
        figures = _one_by_one(
            product, lambda calls: product.count_ready() >= tenants + len(calls) - 1
        )
        if backfill.wait():
            raise RuntimeError("the backfill failed")
        return figures


def _one_by_one(product: Product, is_over: Callable[[list[Call]], bool]) -> Measured:
    """Sign up one tenant when the last one is ready, until it is over; at least one."""
    calls: list[Call] = []
    with closing(Caller(product.settings.port, product.token())) as caller:
        while not (calls and is_over(calls)):
            calls.append(caller.create())
            _await_ready(product, calls[-1:])
    taken = sum(call.seconds for call in calls)
    return {**latencies(calls, taken), **_until_ready(product, calls)}


def _await_ready(product: Product, calls: list[Call]) -> None:
    query = "SELECT tenant_id FROM partition WHERE tenant_id = ? AND state = 'ready'"
    for call in calls:
        await_that(partial(product.rows.execute, query, call.tenant_id))


def _until_ready(product: Product, calls: list[Call]) -> Measured:
    _await_ready(product, calls)
    with product.database.reading() as session:
        rows = session.execute(select(Partition.tenant_id, Partition.ready_at))
        ready_at = {number: at.timestamp() for number, at in rows if at}
    taken = [ready_at[call.tenant_id] - call.asked_at for call in calls]
    return {"ready_p50": percentile(taken, 0.5), "ready_p95": percentile(taken, 0.95)}
