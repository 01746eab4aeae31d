"""Table: what the whole product takes of a processor while nothing happens."""

import time

from bench.engines import Engines
from bench.figures import Measured
from bench.options import Options
from bench.report import progress
from bench.table import Column, Table
from bench.whole import Whole, whole_product

# The first sweeps and signs of life after a start are over by then.
SETTLES_S = 20.0
MEASURED_S = 60.0
ALL = "whole product"


def measure(engines: Engines, options: Options) -> Table:
    with whole_product(engines) as whole:
        time.sleep(SETTLES_S)
        rounds = [_minute(whole) for _ in range(options.rounds)]
    return Table.of_rounds(
        "idle",
        f"Idle for {MEASURED_S:g} s, as make run starts it: processor time",
        rounds,
        (Column("% of a core", "share", times=100),),
        ("without Redis, Milvus and a database server, which are shared with the other tables",),
    )


def _minute(whole: Whole) -> dict[str, Measured]:
    progress(f"idle for {MEASURED_S:g} s")
    before, began = _taken_s(whole), time.monotonic()
    time.sleep(MEASURED_S)
    after, lasted_s = _taken_s(whole), time.monotonic() - began
    shares = {name: (after[name] - taken) / lasted_s for name, taken in before.items()}
    shares[ALL] = sum(shares.values())
    return {name: {"share": share} for name, share in shares.items()}


def _taken_s(whole: Whole) -> dict[str, float]:
    """Processor time of each process, and of its children that have ended."""
    return {
        name: sum(sum(process.cpu_times()[:4]) for process in processes)
        for name, processes in whole.processes().items()
    }
