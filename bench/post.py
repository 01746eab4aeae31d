"""Table: `POST /api/tenants` under load, beside a bare and an ordinary Flask application."""

from collections.abc import Callable
from functools import partial

from bench.engines import Engines
from bench.figures import Measured
from bench.load import latencies, post_tenants
from bench.options import Options
from bench.product import installed
from bench.rounds import interleaved
from bench.table import Column, Table, milliseconds, per_second
from bench.web import TOKEN, server_size, serving

BARE = "bare Flask: insert, enqueue"
ORDINARY = "ordinary Flask: token, check, slug, row, audit row, enqueue"
PRODUCT = "product: the same, request, event, idempotency, log, dispatch"
CONNECTIONS = 8
SECONDS = 5.0


def measure(engines: Engines, options: Options) -> Table:
    with (
        serving(engines, "bare") as bare,
        serving(engines, "ordinary") as ordinary,
        installed(engines) as product,
        product.serving(),
    ):
        everybody: dict[str, Callable[[], Measured]] = {
            BARE: partial(_post, bare, ""),
            ORDINARY: partial(_post, ordinary, TOKEN),
            PRODUCT: partial(_post, product.settings.port, product.token()),
        }
        for call in everybody.values():
            call()  # Opens connections and fills caches.
        rounds = interleaved(everybody, options.rounds)
    return Table.of_rounds(
        "post",
        f"POST /api/tenants: {server_size()}, {CONNECTIONS} connections, {SECONDS:g} s",
        rounds,
        (
            per_second("requests/s"),
            Column("ratio", "rate", limits=(BARE,)),
            Column("ratio to ordinary", "rate", limits=(ORDINARY,)),
            milliseconds("p50"),
            milliseconds("p99"),
            Column("p99 ratio", "p99", limits=(BARE,)),
        ),
        (
            "ratios: to the bare application in the same round; no worker runs meanwhile;",
            "the callers share the machine; all keep what they acknowledged",
        ),
        drawn=("requests/s",),
    )


def _post(port: int, token: str) -> Measured:
    return latencies(post_tenants(port, token, CONNECTIONS, SECONDS), SECONDS)
