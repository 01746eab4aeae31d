"""The two lists that must agree, each asked directly: the database's and Milvus's own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException
from sqlalchemy import NullPool, create_engine, text

COLLECTION = "kb_chunks_v1"
ANSWER_WITHIN_S = 10.0

TENANTS = """
    SELECT t.id, t.name, t.deleted_at IS NOT NULL AS is_deleted, p.state, p.name AS partition
    FROM tenant t LEFT JOIN partition p ON p.tenant_id = t.id ORDER BY t.id
"""
UNREADY = """
    SELECT count(*) FROM tenant t LEFT JOIN partition p ON p.tenant_id = t.id
    WHERE t.id <= :last AND t.deleted_at IS NULL AND (p.state IS NULL OR p.state <> 'ready')
"""
# The last table that a creation writes: whoever waits here has not committed.
HOLD = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "LOCK TABLE partition_event IN SHARE MODE",
}


@dataclass(frozen=True)
class Row:
    id: int
    name: str
    is_deleted: bool
    state: str | None
    partition: str | None


class Records:
    """The product's database, read without the product."""

    def __init__(self, url: str) -> None:
        # Every question opens its own connection: the database may have died since the last one.
        self._engine = create_engine(url, poolclass=NullPool)

    def rows(self) -> list[Row]:
        with self._engine.connect() as connection:
            found = connection.execute(text(TENANTS))
            return [
                Row(row.id, row.name, bool(row.is_deleted), row.state, row.partition)
                for row in found
            ]

    def lose_revision(self) -> None:
        """Empty the table that names the schema's revision."""
        with self._engine.begin() as connection:
            connection.execute(text("DELETE FROM alembic_version"))

    def last_number(self) -> int:
        """The highest number of a tenant; 0 while there is none."""
        return self._number("SELECT coalesce(max(id), 0) FROM tenant")

    def unready(self, last: int) -> int:
        """How many active tenants up to this number are not ready."""
        return self._number(UNREADY, last=last)

    def failed(self, last: int) -> int:
        """How many active tenants up to this number have used up all their attempts."""
        return self._number(UNREADY + "AND p.state = 'failed'", last=last)

    def state(self, tenant_id: int) -> str | None:
        with self._engine.connect() as connection:
            question = text("SELECT state FROM partition WHERE tenant_id = :id")
            return connection.execute(question, {"id": tenant_id}).scalar()

    def failures(self) -> dict[str, int]:
        """Of those that are not ready: how many by cause, or by state while there is none."""
        question = """
            SELECT coalesce(p.cause, p.state) AS cause, count(*) AS tenants
            FROM partition p WHERE p.state <> 'ready' GROUP BY 1
        """
        with self._engine.connect() as connection:
            return {row.cause: row.tenants for row in connection.execute(text(question))}

    @contextmanager
    def held(self) -> Iterator[None]:
        dialect = self._engine.dialect.name
        with self._engine.connect() as connection:
            connection.exec_driver_sql(HOLD[dialect])
            yield
            connection.rollback()

    def _number(self, question: str, **values: int) -> int:
        with self._engine.connect() as connection:
            return int(connection.execute(text(question), values).scalar_one())


class Partitions:
    """Milvus, asked by a client of our own and past the proxy."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def names(self) -> Sequence[str]:
        """Every partition of a tenant's name, as often as Milvus lists it."""
        with self._client() as client:
            found: list[str] = client.list_partitions(COLLECTION, timeout=ANSWER_WITHIN_S)
        return [name for name in found if name.startswith("tenant_")]

    def create(self, name: str) -> None:
        with self._client() as client:
            client.create_partition(COLLECTION, name, timeout=ANSWER_WITHIN_S)

    def insert(self, name: str, rows: Sequence[dict[str, object]]) -> None:
        with self._client() as client:
            client.insert(COLLECTION, list(rows), partition_name=name, timeout=ANSWER_WITHIN_S)

    def drop_collection(self) -> None:
        with self._client() as client:
            client.drop_collection(COLLECTION, timeout=ANSWER_WITHIN_S)

    def drop(self, name: str) -> None:
        with self._client() as client:
            # Milvus Lite knows no release; a server drops nothing that is loaded.
            with suppress(grpc.RpcError, MilvusException):
                client.release_partitions(COLLECTION, [name], timeout=ANSWER_WITHIN_S)
            client.drop_partition(COLLECTION, name, timeout=ANSWER_WITHIN_S)

    @contextmanager
    def _client(self) -> Iterator[MilvusClient]:
        client = MilvusClient(self._uri, timeout=ANSWER_WITHIN_S, dedicated=True)
        try:
            yield client
        finally:
            client.close()
