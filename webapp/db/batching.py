"""Long lists in batches, as of numbers that fit into a statement."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

BATCH = 500

T = TypeVar("T")


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """The items in order, at most `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
