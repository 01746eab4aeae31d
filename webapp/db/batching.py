"""Long lists of numbers in batches that a statement can take."""

from collections.abc import Iterator, Sequence

BATCH = 500


def batches(ids: Sequence[int], size: int = BATCH) -> Iterator[Sequence[int]]:
    """The numbers in runs of at most `size`."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
