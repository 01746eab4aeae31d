"""The job that one writes first: import, connect, create, mark. Run by a stock `rq worker`."""

from bench import peer_rows


def provision(database: str, milvus_uri: str, collection: str, number: int) -> None:
    from pymilvus import MilvusClient

    client = MilvusClient(milvus_uri)
    client.create_partition(collection, f"tenant_{number}")
    connection = peer_rows.connect(database)
    peer_rows.mark_ready(connection, [number])
    connection.close()
    client.close()
