"""Collections for tests, each under a name of its own, so that tests can share a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4


def make_collection(
    uri: str,
    token: str = "",
    *,
    name: str | None = None,
    partition_key: bool = False,
    loaded: bool = False,
) -> str:
    """The name of a new, empty collection of small vectors; `loaded` with all its partitions."""
    from pymilvus import DataType

    name = name or f"c_{uuid4().hex}"
    options: dict[str, Any] = {"num_partitions": 4} if partition_key else {}
    with _client(uri, token) as client:
        schema = client.create_schema(auto_id=True, enable_dynamic_field=True)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
        if partition_key:
            schema.add_field("tenant", DataType.INT64, is_partition_key=True)
        if loaded:
            options["index_params"] = client.prepare_index_params()
            options["index_params"].add_index("vector", index_type="AUTOINDEX", metric_type="L2")
        client.create_collection(name, schema=schema, timeout=10, **options)
    return name


def insert_rows(uri: str, collection: str, partition: str, count: int, token: str = "") -> None:
    """Put rows into the partition; nothing flushes them."""
    rows = [{"vector": [0.1, 0.2, 0.3, number / count]} for number in range(count)]
    with _client(uri, token) as client:
        client.insert(collection, rows, partition_name=partition, timeout=10)


def delete_rows(uri: str, collection: str, partition: str, token: str = "") -> None:
    with _client(uri, token) as client:
        client.delete(collection, filter="id > 0", partition_name=partition, timeout=10)


def drop_collection(uri: str, name: str, token: str = "") -> None:
    """Drop it behind the back of whoever is connected."""
    with _client(uri, token) as client:
        client.drop_collection(name, timeout=10)


@contextmanager
def _client(uri: str, token: str) -> Iterator[Any]:
    from pymilvus import MilvusClient

    client = MilvusClient(uri, token=token, timeout=10, dedicated=True)
    try:
        yield client
    finally:
        client.close()
