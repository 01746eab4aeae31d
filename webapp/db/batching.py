"""Long lists of numbers in batches that fit into a statement."""

from collections.abc import Iterator, Sequence

BATCH = 500


def batches(ids: Sequence[int], size: int = BATCH) -> Iterator[Sequence[int]]:
    """The numbers in order, at most `size` at a time."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
