"""Table: one tenant at a time, from the request until its partition is proven."""

import time
from collections.abc import Callable

from bench import peer_rows
from bench.engines import Engines
from bench.figures import percentile
from bench.peer import StockWorker
from bench.product import ACTOR, installed
from bench.report import progress, show_table

STOCK = "stock rq worker: insert, enqueue, fork, import, create"
PRODUCT = "product: create and dispatch, claim, ask, create, ask, record"
SIGN_UPS = 20
# Looking costs some 20 microseconds, so this takes little from whoever is measured.
LOOK_EVERY_S = 0.001
READY_WITHIN_S = 60.0


def measure(engines: Engines, _tenants: int, _rounds: int) -> None:
    peer = StockWorker(engines)
    with installed(engines) as product, peer.working(), product.working():

        def sign_up_with_peer() -> None:
            peer.enqueue(peer_rows.insert(peer.rows, "Tenant", f"tenant-{time.monotonic_ns()}"))

        def sign_up() -> None:
            product.services.tenants.create(f"Tenant {time.monotonic_ns()}", actor=ACTOR)

        taken: dict[str, list[float]] = {STOCK: [], PRODUCT: []}
        progress(f"{SIGN_UPS} sign-ups with each in turn")
        for _ in range(SIGN_UPS):
            taken[STOCK].append(_until_ready(sign_up_with_peer, peer.count_ready))
            taken[PRODUCT].append(_until_ready(sign_up, product.count_ready))
    show_table(
        f"3. One tenant, from the request until it is ready ({SIGN_UPS} in turn)",
        ("milliseconds", "p50", "p95"),
        [
            (name, *(f"{1000 * percentile(values, share):,.1f}" for share in (0.5, 0.95)))
            for name, values in taken.items()
        ],
    )


def _until_ready(sign_up: Callable[[], None], count_ready: Callable[[], int]) -> float:
    expected = count_ready() + 1
    started = time.monotonic()
    sign_up()
    while count_ready() < expected:
        if time.monotonic() - started > READY_WITHIN_S:
            raise TimeoutError(f"a sign-up was not ready within {READY_WITHIN_S:g} s")
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - started
