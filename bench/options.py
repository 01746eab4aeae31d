"""What a run measures: the options of `python -m bench`."""

import argparse
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bench.databases import NAMES


@dataclass(frozen=True)
class Options:
    """The sizes of the tables follow from `tenants`; `workers` has each number to measure with."""

    tenants: int
    rounds: int
    workers: tuple[int, ...]
    engine: str
    database: str
    only: tuple[str, ...]
    folder: Path | None

    @property
    def file(self) -> Path | None:
        """Where the figures are written."""
        return self.folder and self.folder / f"{self.engine}-{self.database}.json"

    @property
    def many(self) -> int:
        """Tenants of the large backfills: 4,000 unless told otherwise."""
        return 4 * self.tenants

    @property
    def burst(self) -> int:
        """Sign-ups that wait for a worker: 300 unless told otherwise."""
        return max(3 * self.tenants // 10, 1)


def parsed(tables: Collection[str]) -> Options:
    """The options of this process; `tables` are the names that `--only` knows."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    add = parser.add_argument
    add("--tenants", type=_positive, default=1000, metavar="N", help="large backfills have 4 x N")
    add("--rounds", type=_positive, default=3, metavar="R")
    add("--workers", type=int, choices=(1, 2), action="append", help="without it 1, then 2")
    add("--engine", choices=("lite", "standalone"), default="standalone")
    add("--database", choices=NAMES, default="sqlite", help="of the product and of its peers")
    known = f"one of {', '.join(tables)}; may be repeated"
    add("--only", choices=tables, action="append", metavar="TABLE", help=known)
    written = "also write the figures there, as ENGINE-DATABASE.json"
    add("--save", type=Path, metavar="FOLDER", help=written)
    given = parser.parse_args()
    return Options(
        tenants=given.tenants,
        rounds=given.rounds,
        workers=tuple(given.workers or (1, 2)),
        engine=given.engine,
        database=given.database,
        only=tuple(given.only or tables),
        folder=given.save,
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number
