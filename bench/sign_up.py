"""Table: one tenant at a time, from the request until its partition is there."""

from collections.abc import Callable
from functools import partial

from bench.contenders import Installs, contenders
from bench.engines import Engines
from bench.figures import Measured, percentile
from bench.options import Options
from bench.raw import raw_sign_ups
from bench.rounds import interleaved
from bench.table import Table, milliseconds

RAW = "raw: insert, create, update in one process"
SIGN_UPS = 30


def measure(engines: Engines, options: Options) -> Table:
    """Measure sign-ups one after the other, by one worker that has nothing else to do."""
    everybody: dict[str, Callable[[], Measured]] = {
        RAW: lambda: _figures(raw_sign_ups(engines, SIGN_UPS)),
        **{name: partial(_each, one) for name, one in contenders(engines).items()},
    }
    return Table.of_rounds(
        "sign-up",
        f"One tenant, from the request until it is ready ({SIGN_UPS} in turn, 1 worker)",
        interleaved(everybody, options.rounds),
        (milliseconds("p50"), milliseconds("p95")),
        ("without HTTP: the application's own function is called; medians of the rounds",),
        drawn=("p50 ms", "p95 ms"),
    )


def _each(install: Installs) -> Measured:
    with install(None) as contender, contender.working(1):
        contender.warm_up()
        return _figures(
            [contender.seconds_until_ready(contender.sign_up, 1) for _ in range(SIGN_UPS)]
        )


def _figures(taken: list[float]) -> Measured:
    return {"p50": percentile(taken, 0.5), "p95": percentile(taken, 0.95)}
