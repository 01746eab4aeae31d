"""What a partition holds, and how it goes, asked of one client before one deadline."""

from typing import Any

from jobs.deadline import Deadline

PARTITION_NOT_FOUND = 200
LITE = "milvus_lite"


def count_rows(client: Any, collection: str, partition: str, timeout_s: float) -> int:
    """Rows of the partition; those of a missing one are none.

    A loaded partition is counted. What the statistics of one that is not loaded say, they say
    of what was flushed (deleted rows among it), so nothing is told to be empty before a flush.

    Raises:
        Exception: of pymilvus or gRPC; OverrunError at the deadline.
    """
    deadline = Deadline(timeout_s)
    try:
        # Milvus Lite counts the whole collection whichever partition is named, but its
        # statistics are exact.
        if not _is_lite(client, deadline) and _is_loaded(client, collection, partition, deadline):
            return _counted(client, collection, partition, deadline)
        known = _flushed(client, collection, partition, deadline)
        if known == 0 and not _is_lite(client, deadline):
            client.flush(collection, timeout=deadline.left_s(), retry_on_rate_limit=False)
            known = _flushed(client, collection, partition, deadline)
    except Exception as error:
        if not _is_missing(error):
            raise
        return 0
    return known


def drop_partition(client: Any, collection: str, partition: str, timeout_s: float) -> None:
    """Release the partition alone, then drop it; a missing one is gone already.

    Nothing is asked after the deadline, so no drop begins when nobody waits for it any more.

    Raises:
        Exception: of pymilvus or gRPC; OverrunError at the deadline.
    """
    deadline = Deadline(timeout_s)
    try:
        # A server refuses to drop what is loaded; Milvus Lite drops it, and knows no release.
        if not _is_lite(client, deadline):
            client.release_partitions(collection, [partition], timeout=deadline.left_s())
        client.drop_partition(
            collection, partition, timeout=deadline.left_s(), retry_on_rate_limit=False
        )
    except Exception as error:
        if not _is_missing(error):
            raise


def _is_lite(client: Any, deadline: Deadline) -> bool:
    return str(client.get_server_version(timeout=deadline.left_s())).startswith(LITE)


def _is_loaded(client: Any, collection: str, partition: str, deadline: Deadline) -> bool:
    answer = client.get_load_state(collection, partition_name=partition, timeout=deadline.left_s())
    return bool(answer["state"].name == "Loaded")


def _counted(client: Any, collection: str, partition: str, deadline: Deadline) -> int:
    answer = client.query(
        collection,
        filter="",
        output_fields=["count(*)"],
        partition_names=[partition],
        consistency_level="Strong",
        timeout=deadline.left_s(),
    )
    return int(answer[0]["count(*)"])


def _flushed(client: Any, collection: str, partition: str, deadline: Deadline) -> int:
    answer = client.get_partition_stats(collection, partition, timeout=deadline.left_s())
    return int(answer["row_count"])


def _is_missing(error: Exception) -> bool:
    return getattr(error, "code", None) == PARTITION_NOT_FOUND
