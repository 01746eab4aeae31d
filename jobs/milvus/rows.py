"""Counts rows of partitions, loads and drops them: one client, one deadline."""

from collections.abc import Sequence
from typing import Any

from create_milvus_partition import (
    SecondsLeft,
    count_flushed,
    count_loaded,
    is_lite,
    is_loaded,
    is_missing,
)


def count_each(
    client: Any, collection: str, partitions: Sequence[str], left_s: SecondsLeft
) -> dict[str, int]:
    """Rows of each of many partitions that exist, with few calls.

    0 is returned only from an answer that covers everything written before; see `count_rows`.

    Raises:
        Exception: of pymilvus or gRPC, or of `left_s` when no time is left.
    """
    if is_lite(client, left_s):
        return {name: count_flushed(client, collection, name, left_s) for name in partitions}
    loaded = [name for name in partitions if is_loaded(client, collection, name, left_s)]
    others = [name for name in partitions if name not in loaded]
    counts = _count_loaded_ones(client, collection, loaded, left_s)
    return counts | _count_flushed_ones(client, collection, others, left_s)


def _count_loaded_ones(
    client: Any, collection: str, names: list[str], left_s: SecondsLeft
) -> dict[str, int]:
    # A strong count waits 200 ms for the server's clock, so one is made for all together. A count
    # that follows it without waiting covers everything that was written before the strong one.
    if not names or count_loaded(client, collection, names, left_s) == 0:
        return dict.fromkeys(names, 0)
    counts = {
        name: count_loaded(client, collection, [name], left_s, "Eventually") for name in names
    }
    # A replica that lags may have answered, so its 0 is confirmed by a strong count.
    empty = [name for name, rows in counts.items() if rows == 0]
    if empty and count_loaded(client, collection, empty, left_s) > 0:
        counts |= {name: count_loaded(client, collection, [name], left_s) for name in empty}
    return counts


def _count_flushed_ones(
    client: Any, collection: str, names: list[str], left_s: SecondsLeft
) -> dict[str, int]:
    counts = {name: count_flushed(client, collection, name, left_s) for name in names}
    empty = [name for name, rows in counts.items() if rows == 0]
    if empty:
        client.flush(collection, timeout=left_s(), retry_on_rate_limit=False)
        counts |= {name: count_flushed(client, collection, name, left_s) for name in empty}
    return counts


def drop_partition(client: Any, collection: str, partition: str, left_s: SecondsLeft) -> None:
    """Release the partition alone, then drop it; a missing one is a success.

    No call begins after the deadline, so no drop begins after the caller has given up.

    Raises:
        Exception: of pymilvus or gRPC, or of `left_s` when no time is left.
    """
    try:
        # A server refuses to drop a loaded partition; Milvus Lite drops it, and cannot release.
        if not is_lite(client, left_s):
            client.release_partitions(collection, [partition], timeout=left_s())
        client.drop_partition(collection, partition, timeout=left_s(), retry_on_rate_limit=False)
    except Exception as error:
        if not is_missing(error):
            raise


def load_partitions(
    client: Any, collection: str, partitions: Sequence[str], left_s: SecondsLeft
) -> None:
    """Load these partitions; Milvus Lite can load the whole collection alone.

    Raises:
        Exception: of pymilvus or gRPC, or of `left_s` when no time is left.
    """
    if is_lite(client, left_s):
        client.load_collection(collection, timeout=left_s())
    else:
        client.load_partitions(collection, list(partitions), timeout=left_s())


def load_collection(client: Any, collection: str, left_s: SecondsLeft) -> bool:
    """Load the collection; True when it was not loaded.

    Raises:
        Exception: of pymilvus or gRPC, or of `left_s` when no time is left.
    """
    if is_loaded(client, collection, "", left_s):
        return False
    client.load_collection(collection, timeout=left_s())
    return True
