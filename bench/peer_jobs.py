"""The job that one writes first: import, connect, create, mark. Run by a stock `rq worker`."""


def provision(database: str, milvus_uri: str, collection: str, number: int) -> None:
    """Make one tenant's partition and mark its row."""
    from pymilvus import MilvusClient

    client = MilvusClient(milvus_uri)
    client.create_partition(collection, f"tenant_{number}")
    connection = ledger.connect(database)
    ledger.mark_ready(connection, [number])
    connection.close()
    client.close()
