"""What is asked for on the command line."""

import os
import random
from argparse import ArgumentParser
from collections.abc import Collection, Sequence
from dataclasses import dataclass

DATABASES = ("sqlite", "postgresql")
CREATIONS = 1000
KILLS = 50
OUTAGE_S = 300.0
RACES = 1000


@dataclass(frozen=True)
class Options:
    seed: int
    databases: Sequence[str] = DATABASES
    creations: int = CREATIONS
    kills: int = KILLS
    outage_s: float = OUTAGE_S
    races: int = RACES
    faults: Sequence[str] = ()

    def random(self) -> random.Random:
        return random.Random(self.seed)

    def share_of(self, times: int) -> int:
        """So many times in the long form, and fewer in one that has fewer kills."""
        return max(times * self.kills // KILLS, 1)

    def chooses(self, fault: str) -> bool:
        """Whether this fault was asked for: all are, unless some are named by a part of theirs."""
        return not self.faults or any(part in fault for part in self.faults)


def parsed(scenarios: Collection[str], arguments: Sequence[str]) -> tuple[list[str], Options]:
    parser = ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", choices=scenarios, action="append", help="may be repeated")
    parser.add_argument("--database", choices=DATABASES, help="default: both, where it matters")
    parser.add_argument("--creations", type=int, default=CREATIONS, metavar="N")
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N")
    parser.add_argument("--fault", action="append", default=[], help="a part of a fault's name")
    parser.add_argument("--outage", type=float, default=OUTAGE_S, metavar="S")
    parser.add_argument("--races", type=int, default=RACES, metavar="N")
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
