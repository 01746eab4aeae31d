"""Table: tenants that are rows in a database, until each has its partition and is ready."""

from functools import partial

from bench.contenders import Installs, contenders
from bench.engines import Engines
from bench.figures import Measured
from bench.options import Options
from bench.peer import RQ
from bench.raw import FOUR, ONE, raw_rate
from bench.rounds import interleaved
from bench.table import Column, Table, per_second

# RQ's own worker: at two a second, more would only take longer.
FORKED = 10


def measure(engines: Engines, options: Options, tenants: int, workers: int) -> Table:
    """Measure so many tenants, with so many workers of each contender."""
    everybody = {
        ONE: partial(raw_rate, engines, tenants, threads=1),
        FOUR: partial(raw_rate, engines, tenants, threads=4),
        **{
            name: partial(_rate, install, FORKED if name == RQ.name else tenants, workers)
            for name, install in contenders(engines).items()
        },
    }
    return Table.of_rounds(
        f"backfill-{tenants}-workers-{workers}",
        f"Backfill of {tenants:,} tenants by {workers} worker(s): from rows until each is ready",
        interleaved(everybody, options.rounds),
        (per_second(), Column("ratio", "rate", limits=(ONE, FOUR))),
        (
            "ratio: to the best raw loop of the same round, which is the limit; medians of both",
            f"RQ's own worker ran {FORKED} tenants, its rate does not depend on how many",
            "the product alone proves each partition by asking, and writes events and logs",
        ),
    )


def _rate(install: Installs, tenants: int, workers: int) -> Measured:
    with install(None) as contender:
        contender.import_tenants(tenants)
        with contender.working(workers):
            contender.warm_up()
            return {"rate": tenants / contender.seconds_until_ready(contender.backfill, tenants)}
