"""Turns what was measured into the figures of a table."""

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import median

# What a contender measured in a round, by the figure's name: {"rate": 310.0, "p99": 0.12}.
Measured = Mapping[str, float]
# One figure of each contender in a round.
Round = Mapping[str, float]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of all values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values to take a percentile of")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def only(figure: str, rounds: Sequence[Mapping[str, Measured]]) -> list[Round]:
    """This figure of each contender, round by round."""
    return [{name: measured[figure] for name, measured in one.items()} for one in rounds]


def medians(rounds: Sequence[Round]) -> dict[str, float]:
    return {name: median(one[name] for one in rounds) for name in rounds[0]}


def ratios(rounds: Sequence[Round], limits: Collection[str]) -> dict[str, float]:
    """Each contender's median ratio to the best of `limits` in the same round.

    Rates drift by tens of per cent from round to round; within one they can be compared.
    """
    relative = [
        {name: rate / max(one[limit] for limit in limits) for name, rate in one.items()}
        for one in rounds
    ]
    return medians(relative)
