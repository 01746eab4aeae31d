"""What partitions hold, how they are loaded and dropped: one client, one deadline."""

from collections.abc import Callable, Sequence
from typing import Any

from create_milvus_partition import count_flushed, count_loaded, is_lite, is_loaded, is_missing
from jobs.milvus.deadline import Deadline


def count_each(
    client: Any, collection: str, partitions: Sequence[str], timeout_s: float
) -> dict[str, int]:
    """Rows of each of many partitions, which exist, with as few calls as will do.

    Nothing is told to be empty of which the server did not say so in an answer that covers
    everything written before; see `count_rows`.

    Raises:
        Exception: of pymilvus or gRPC; OverrunError at the deadline.
    """
    left_s = Deadline(timeout_s).left_s
    if is_lite(client, left_s):
        return {name: count_flushed(client, collection, name, left_s) for name in partitions}
    loaded = [name for name in partitions if is_loaded(client, collection, name, left_s)]
    others = [name for name in partitions if name not in loaded]
    counts = _count_loaded_ones(client, collection, loaded, left_s)
    return counts | _count_flushed_ones(client, collection, others, left_s)


def _count_loaded_ones(
    client: Any, collection: str, names: list[str], left_s: Callable[[], float]
) -> dict[str, int]:
    """A strong count waits 200 ms for the server's clock, so it is asked of many together.

    What is counted after it without waiting misses nothing that was written before it.
    """
    if not names or count_loaded(client, collection, names, left_s) == 0:
        return dict.fromkeys(names, 0)
    counts = {
        name: count_loaded(client, collection, [name], left_s, "Eventually") for name in names
    }
    # Another replica may have answered, one that lags: none is told to be empty on its word.
    empty = [name for name, rows in counts.items() if rows == 0]
    if empty and count_loaded(client, collection, empty, left_s) > 0:
        counts |= {name: count_loaded(client, collection, [name], left_s) for name in empty}
    return counts


def _count_flushed_ones(
    client: Any, collection: str, names: list[str], left_s: Callable[[], float]
) -> dict[str, int]:
    counts = {name: count_flushed(client, collection, name, left_s) for name in names}
    empty = [name for name, rows in counts.items() if rows == 0]
    if empty:
        client.flush(collection, timeout=left_s(), retry_on_rate_limit=False)
        counts |= {name: count_flushed(client, collection, name, left_s) for name in empty}
    return counts


def drop_partition(client: Any, collection: str, partition: str, timeout_s: float) -> None:
    """Release the partition alone, then drop it; a missing one is gone already.

    Nothing is asked after the deadline, so no drop begins when nobody waits for it any more.

    Raises:
        Exception: of pymilvus or gRPC; OverrunError at the deadline.
    """
    left_s = Deadline(timeout_s).left_s
    try:
        # A server refuses to drop what is loaded; Milvus Lite drops it, and knows no release.
        if not is_lite(client, left_s):
            client.release_partitions(collection, [partition], timeout=left_s())
        client.drop_partition(collection, partition, timeout=left_s(), retry_on_rate_limit=False)
    except Exception as error:
        if not is_missing(error):
            raise


def load_partitions(
    client: Any, collection: str, partitions: Sequence[str], timeout_s: float
) -> None:
    """Load these partitions; on Milvus Lite, which loads no less, the whole collection.

    Raises:
        Exception: of pymilvus or gRPC; OverrunError at the deadline.
    """
    left_s = Deadline(timeout_s).left_s
    if is_lite(client, left_s):
        client.load_collection(collection, timeout=left_s())
    else:
        client.load_partitions(collection, list(partitions), timeout=left_s())


def load_collection(client: Any, collection: str, timeout_s: float) -> bool:
    """Load the collection; True when it was not loaded.

    Raises:
        Exception: of pymilvus or gRPC; OverrunError at the deadline.
    """
    left_s = Deadline(timeout_s).left_s
    if is_loaded(client, collection, "", left_s):
        return False
    client.load_collection(collection, timeout=left_s())
    return True
