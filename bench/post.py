"""Table: `POST /api/tenants` under load, beside an application that only stores and enqueues."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from uuid import uuid4

from bench import peer_rows
from bench.engines import Engines
from bench.load import Load, post_tenants
from bench.processes import gunicorn
from bench.product import installed
from bench.report import progress, show_table
from tests.engines.process import free_port

BARE = "bare Flask: SQLite insert, RQ enqueue"
PRODUCT = "product: token, checks, slug, row, request, event, dispatch, log"
CONNECTIONS = 8
SECONDS = 5.0


def measure(engines: Engines, _tenants: int, rounds: int) -> None:
    with _bare(engines) as bare_port, installed(engines) as product, product.serving():
        token, port = product.token(), product.settings.port
        callers: dict[str, Callable[[float], Load]] = {
            BARE: lambda seconds: post_tenants(bare_port, "", CONNECTIONS, seconds),
            PRODUCT: lambda seconds: post_tenants(port, token, CONNECTIONS, seconds),
        }
        for call in callers.values():
            call(0.5)  # Opens connections and fills caches; nobody's figures begin cold.
        seen: dict[str, list[Load]] = {name: [] for name in callers}
        for number in range(rounds):
            for name in list(callers) if number % 2 == 0 else reversed(list(callers)):
                progress(f"round {number + 1} of {rounds}: {name}")
                seen[name].append(callers[name](SECONDS))
    show_table(
        f"4. POST /api/tenants: gunicorn 2 x 4 threads, {CONNECTIONS} connections, {SECONDS:g} s",
        ("", "requests/s", "p50 ms", "p99 ms", "ratio"),
        [(name, *_figures(loads, seen[BARE])) for name, loads in seen.items()],
        (
            "medians of the rounds; the callers share the machine; no worker runs meanwhile",
            "ratio: to the bare application in the same round; both keep what they acknowledged",
            "(SQLite in WAL mode, synchronous=FULL)",
        ),
    )


def _figures(loads: list[Load], bare: list[Load]) -> tuple[str, ...]:
    pairs = zip(loads, bare, strict=True)
    return (
        f"{median(load.rate for load in loads):,.0f}",
        f"{1000 * median(load.p50 for load in loads):,.1f}",
        f"{1000 * median(load.p99 for load in loads):,.1f}",
        f"{median(load.rate / peer.rate for load, peer in pairs):.2f}",
    )


@contextmanager
def _bare(engines: Engines) -> Iterator[int]:
    folder, port = engines.fresh_folder(), free_port()
    database = str(folder / "peer.db")
    peer_rows.connect(database).close()
    arguments = ", ".join(repr(word) for word in (database, engines.redis_url, uuid4().hex))
    words = ["-k", "gthread", "-w", "2", "--threads", "4", "-b", f"127.0.0.1:{port}"]
    words += ["--no-control-socket", f"bench.peer_web:create_app({arguments})"]
    with gunicorn(words, port, folder / "web.log"):
        yield port
