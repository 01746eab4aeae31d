"""A histogram of durations with growing bins, and its percentiles."""

import json
import math
from collections import Counter
from collections.abc import Mapping

# Each bin ends √2 times later than the one before.
FACTOR = math.sqrt(2)
FIRST_ENDS_S = 0.01

Bins = Mapping[int, int]


def bin_of(seconds: float) -> int:
    """The bin of a duration; the first holds all up to ten milliseconds."""
    if seconds <= FIRST_ENDS_S:
        return 0
    return math.ceil(math.log(seconds / FIRST_ENDS_S, FACTOR))


def percentile(bins: Bins, share: float) -> float | None:
    """The seconds within which this share stayed, up to a factor of √2; None for no durations."""
    rank, before = max(1, math.ceil(share * sum(bins.values()))), 0
    for number, count in sorted(bins.items()):
        if before + count >= rank:
            into = (rank - before) / count
            return FIRST_ENDS_S * math.pow(FACTOR, number - 1 + into)
        before += count
    return None


def packed(bins: Bins) -> str:
    return json.dumps({str(number): bins[number] for number in sorted(bins)})


def unpacked(text: str) -> Counter[int]:
    return Counter({int(number): count for number, count in json.loads(text).items()})
