"""Starts the engines, measures table by table, and stops all it started."""

import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from bench import (
    backfill,
    busy,
    drain,
    environment,
    idle,
    memory,
    nothing_to_do,
    panel,
    post,
    sign_up,
    sweep,
)
from bench.engines import Engines, started
from bench.options import Options, parsed
from bench.report import progress, show_load, show_machine
from bench.results import describe, save
from bench.table import Table


def _backfills(engines: Engines, options: Options) -> Iterator[Table]:
    for tenants in (options.tenants, options.many):
        for workers in options.workers:
            yield backfill.measure(engines, options, tenants, workers)


def _drains(engines: Engines, options: Options) -> Iterator[Table]:
    for workers in options.workers:
        yield drain.measure(engines, options, workers)


def _one(measure: Callable[[Engines, Options], Table]) -> Callable[..., Iterator[Table]]:
    def measured(engines: Engines, options: Options) -> Iterator[Table]:
        yield measure(engines, options)

    return measured


TABLES: dict[str, Callable[[Engines, Options], Iterator[Table]]] = {
    "backfill": _backfills,
    "drain": _drains,
    "sign-up": _one(sign_up.measure),
    "nothing": _one(nothing_to_do.measure),
    "post": _one(post.measure),
    "busy": _one(busy.measure),
    "panel": _one(panel.measure),
    "sweep": _one(sweep.measure),
    "idle": _one(idle.measure),
    "memory": _one(memory.measure),
}


def main() -> int:
    """Exit code 0 when every table was printed, 130 after Ctrl-C."""
    options = parsed(TABLES)
    # A shell starts what runs in the background deaf to Ctrl-C; engines must not outlive us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _end)
    try:
        progress("preparing the peers' environment")
        environment.prepare()
        progress(f"starting Redis, Milvus {options.engine} and {options.database}")
        with started(options.engine, options.database, options.many) as engines:
            _measure(engines, options)
        show_load()
    except KeyboardInterrupt:
        return 130
    return 0


def _measure(engines: Engines, options: Options) -> None:
    about = describe(engines)
    show_machine(about)
    tables = []
    for name in options.only:
        for table in TABLES[name](engines, options):
            table.show()
            tables.append(table)
            if options.file:
                save(options.file, about, options, tables)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
