"""Collections for tests, each under a name of its own, so that tests can share a server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4


def make_collection(
    uri: str, token: str = "", *, name: str | None = None, partition_key: bool = False
) -> str:
    """The name of a new, empty collection of small vectors."""
    from pymilvus import DataType

    name = name or f"c_{uuid4().hex}"
    options: dict[str, Any] = {"num_partitions": 4} if partition_key else {}
    with _client(uri, token) as client:
        schema = client.create_schema(auto_id=True, enable_dynamic_field=True)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
        if partition_key:
            schema.add_field("tenant", DataType.INT64, is_partition_key=True)
        client.create_collection(name, schema=schema, timeout=10, **options)
    return name


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
