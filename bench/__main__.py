"""Starts the engines, measures table by table, and stops all it started."""

import argparse
import signal
import sys
from types import FrameType
from typing import NoReturn

from bench import backfill, nothing_to_do, panel, post, sign_up
from bench.engines import started
from bench.report import progress, show_load, show_machine

TABLES = {
    "backfill": backfill.measure,
    "nothing": nothing_to_do.measure,
    "sign-up": sign_up.measure,
    "post": post.measure,
    "panel": panel.measure,
}


def main() -> int:
    """Exit code 0 when every table was printed, 130 after Ctrl-C."""
    options = _options()
    # A shell starts what runs in the background deaf to Ctrl-C; engines must not outlive us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _end)
    try:
        progress(f"starting Redis and Milvus {options.engine}")
        with started(options.engine, options.tenants) as engines:
            show_machine(engines.milvus_version(), engines.redis_version())
            for name in options.only or TABLES:
                TABLES[name](engines, options.tenants, options.rounds)
        show_load()
    except KeyboardInterrupt:
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--tenants", type=_positive, default=1000, metavar="N")
    parser.add_argument("--rounds", type=_positive, default=3, metavar="R")
    parser.add_argument("--engine", choices=("lite", "standalone"), default="standalone")
    parser.add_argument(
        "--only",
        choices=TABLES,
        action="append",
        metavar="TABLE",
        help=f"one of {', '.join(TABLES)}; may be repeated",
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
