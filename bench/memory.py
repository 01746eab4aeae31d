"""Table: the memory of each process of the product, after it has worked."""

from bench.engines import Engines
from bench.figures import Measured
from bench.load import post_tenants
from bench.options import Options
from bench.rounds import await_that
from bench.table import Column, Table
from bench.whole import whole_product

CONNECTIONS, SECONDS = 4, 5.0
MB = 1e-6


def measure(engines: Engines, options: Options) -> Table:
    """Measure after sign-ups over the API, and a backfill."""
    with whole_product(engines) as whole:
        product = whole.product
        product.import_tenants(options.tenants)
        calls = post_tenants(product.settings.port, product.token(), CONNECTIONS, SECONDS)
        product.backfill()
        expected = len(calls) + options.tenants
        await_that(lambda: product.count_ready() >= expected)
        one: dict[str, Measured] = {}
        for name, processes in whole.processes().items():
            used = [process.memory_full_info() for process in processes]
            one[name] = {"rss": sum(u.rss for u in used), "pss": sum(u.pss for u in used)}
    return Table.of_rounds(
        "memory",
        f"Memory after {SECONDS:g} s of sign-ups and a backfill of {options.tenants:,}",
        [one],
        (Column("RSS MB", "rss", times=MB), Column("PSS MB", "pss", times=MB)),
        ("RSS counts memory that processes share in each of them, PSS divides it among them",),
        drawn=("RSS MB", "PSS MB"),
    )
