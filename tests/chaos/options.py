"""What is asked for on the command line."""

import os
import random
from argparse import ArgumentParser
from collections.abc import Collection, Sequence
from dataclasses import dataclass

DATABASES = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Options:
    """How much chaos, where, and by which seed."""

    seed: int
    databases: Sequence[str] = DATABASES
    creations: int = 1000
    kills: int = 50
    outage_s: float = 300.0
    races: int = 1000
    faults: Sequence[str] = ()

    def random(self) -> random.Random:
        """The same choices again for the same seed."""
        return random.Random(self.seed)

    def chooses(self, fault: str) -> bool:
        """Whether this fault was asked for: all are, unless some are named by a part of theirs."""
        return not self.faults or any(part in fault for part in self.faults)


def parsed(scenarios: Collection[str], arguments: Sequence[str]) -> tuple[list[str], Options]:
    """The scenarios to run, and how."""
    parser = ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", choices=scenarios, action="append", help="may be repeated")
    parser.add_argument("--database", choices=DATABASES, help="default: both, where it matters")
    parser.add_argument("--creations", type=int, default=1000, metavar="N", help="of the storm")
    parser.add_argument("--kills", type=int, default=50, metavar="N", help="of the storm, at least")
    parser.add_argument("--fault", action="append", default=[], help="a part of a fault's name")
    parser.add_argument("--outage", type=float, default=300, metavar="S", help="seconds")
    parser.add_argument("--races", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=_seed(), help="default: $CHAOS_SEED, or new")
    given = parser.parse_args(arguments)
    options = Options(
        seed=given.seed,
        databases=[given.database] if given.database else DATABASES,
        creations=given.creations,
        kills=given.kills,
        outage_s=given.outage,
        races=given.races,
        faults=given.fault,
    )
    return given.only or list(scenarios), options


def _seed() -> int:
    given = os.environ.get("CHAOS_SEED")
    return int(given) if given else random.SystemRandom().randrange(1_000_000)
