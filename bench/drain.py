"""Table: sign-ups that wait, a job each, until the workers have done them all."""

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


def measure(engines: Engines, options: Options, workers: int) -> Table:
    """Measure with so many workers of each contender, who are frozen while the tenants sign up."""
    sign_ups = options.burst
    everybody = {
        ONE: partial(raw_rate, engines, sign_ups, threads=1),
        FOUR: partial(raw_rate, engines, sign_ups, threads=4),
        **{
            name: partial(_rate, install, FORKED if name == RQ.name else sign_ups, workers)
            for name, install in contenders(engines).items()
        },
    }
    return Table.of_rounds(
        f"drain-workers-{workers}",
        f"{sign_ups:,} sign-ups that wait, a job each, drained by {workers} worker(s)",
        interleaved(everybody, options.rounds),
        (per_second(), Column("ratio", "rate", limits=(ONE, FOUR))),
        (
            "ratio: to the best raw loop of the same round; workers have done a few jobs before",
            f"RQ's own worker drained {FORKED}",
        ),
    )


def _rate(install: Installs, sign_ups: int, workers: int) -> Measured:
    with install(None) as contender, contender.working(workers) as group:
        contender.warm_up()
        group.freeze()
        for _ in range(sign_ups):
            contender.sign_up()
        return {"rate": sign_ups / contender.seconds_until_ready(group.thaw, sign_ups)}
