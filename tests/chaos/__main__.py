"""`make chaos`: breaks the product in every way, prints what came of it, and fails at any loss."""

import signal
import sys
from types import FrameType
from typing import NoReturn

from bench.report import progress, show_load
from tests.chaos import (
    ceiling,
    exhaustion,
    flushes,
    outage,
    races,
    restore,
    rollout,
    standalone,
    storm,
    surfaces,
)
from tests.chaos.options import parsed

SCENARIOS = {
    "surfaces": surfaces.run,
    "storm": storm.run,
    "standalone": standalone.run,
    "outage": outage.run,
    "flushes": flushes.run,
    "races": races.run,
    "restore": restore.run,
    "rollout": rollout.run,
    "exhaustion": exhaustion.run,
    "ceiling": ceiling.run,
}


def main() -> int:
    """Exit code 0 when every bound is kept, 1 when one is broken, 130 after Ctrl-C."""
    # A shell starts what runs in the background deaf to Ctrl-C; nothing must outlive us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _end)
    chosen, options = parsed(SCENARIOS, sys.argv[1:])
    progress(f"CHAOS_SEED={options.seed} repeats this run")
    try:
        kept = [SCENARIOS[name](options) for name in chosen]
    except KeyboardInterrupt:
        return 130
    show_load()
    return 0 if all(kept) else 1


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
