"""The SDK provider: partitions through pymilvus, every error translated at this border."""

import gc
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from create_milvus_partition import (
    Deadline,
    OverrunError,
    SecondsLeft,
    about_collection,
    count_rows,
    diagnose,
    is_duplicate,
    is_partition_name,
    redact,
    silence_grpc,
    tls_arguments,
)
from jobs.milvus import rows
from jobs.milvus.connection import Connection, Session
from jobs.milvus.store import NO_TLS, PartitionStore, Place, Request, StoreError
from webapp.models.causes import Cause

T = TypeVar("T")

# A new channel must try at once. By default gRPC lets channels to one address share a socket,
# and with it the pause after a refused connection, which grows to two minutes.
# pymilvus pings every 10 s, also between calls. Milvus Lite answers such pings by ending the
# connection ("too_many_pings"), which gRPC writes past our logs. Each call has its own deadline,
# so an idle connection needs no pings.
CHANNEL_OPTIONS = {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.keepalive_permit_without_calls": 0,
}
BROKEN = frozenset({Cause.MILVUS_UNREACHABLE, Cause.TIMEOUT})
TEXT_MAX_LENGTH = 65_535
VECTOR_DIMENSIONS = 1_536


class MilvusPartitionStore:
    """The partitions of one Milvus server, for all threads of the process that calls.

    The first call imports pymilvus and opens the connection, in the process that calls: an
    inherited channel hangs in one of six forked processes. After a call a process must not fork,
    not even after `close`: gRPC's own threads remain.

    After an error that may be the connection's fault, the next call opens a new connection
    instead of waiting for gRPC's own pause.
    """

    def __init__(
        self, uri: str, token: str, timeout_s: float, tls: Mapping[str, str] = NO_TLS
    ) -> None:
        """`tls`: the settings for TLS by name, see `Settings.milvus_tls`."""
        self._uri = uri
        self._tls = tls_arguments(tls)
        self._token = token
        self._timeout_s = timeout_s
        # By process. An inherited session is never closed: that would touch the parent's channel.
        self._sessions: dict[int, Session] = {}

    # The promises of these methods are those of `PartitionStore`.

    def locate(self, collection: str) -> Place:
        def locate(client: Any, left_s: SecondsLeft) -> Place:
            answer = about_collection(
                lambda: client.describe_collection(collection, timeout=left_s())
            )
            return Place(
                answer["collection_name"],
                answer.get("collection_id") or 0,
                answer.get("created_timestamp") or 0,
                answer,
            )

        return self.call(locate)

    def list_partitions(self, collection: str) -> frozenset[str]:
        def list_all(client: Any, left_s: SecondsLeft) -> frozenset[str]:
            return frozenset(
                about_collection(lambda: client.list_partitions(collection, timeout=left_s()))
            )

        return self.call(list_all)

    def create_partition(self, collection: str, partition: str) -> None:
        _check_name(partition)

        def create(client: Any, left_s: SecondsLeft) -> None:
            try:
                # A creation over the rate limit fails: the caller pauses before its next try.
                client.create_partition(
                    collection, partition, timeout=left_s(), retry_on_rate_limit=False
                )
            except Exception as error:
                if not is_duplicate(error, partition):
                    raise

        self.call(create)

    def count_rows(self, collection: str, partition: str) -> int | None:
        _check_name(partition)
        return self.call(lambda client, left_s: count_rows(client, collection, partition, left_s))

    def count_each(self, collection: str, partitions: Sequence[str]) -> Mapping[str, int | None]:
        return self.call(
            lambda client, left_s: rows.count_each(client, collection, partitions, left_s)
        )

    def drop_partition(self, collection: str, partition: str) -> None:
        _check_name(partition)
        self.call(lambda client, left_s: rows.drop_partition(client, collection, partition, left_s))

    def call(self, request: Request[T]) -> T:
        milvus = load_pymilvus()
        deadline = Deadline(self._timeout_s)
        session = self._session(milvus)
        entered: list[Connection] = []
        try:
            return deadline.run(lambda: _perform(request, session, deadline, entered))
        except OverrunError:
            for connection in entered:
                connection.close()
            cause = Cause.TIMEOUT if entered else Cause.MILVUS_UNREACHABLE
            raise StoreError(cause, f"no answer within {self._timeout_s:g} s") from None
        except Exception as error:  # noqa: BLE001 - the border: all is translated
            # Not chained: the client's error may repeat the credential, and jobs show tracebacks.
            raise self._translated(error, entered) from None

    def close(self) -> None:
        session = self._sessions.pop(os.getpid(), None)
        if session is not None:
            session.close()

    def _session(self, milvus: Any) -> Session:
        def connect(timeout_s: float) -> Any:
            return milvus.MilvusClient(
                self._uri,
                token=self._token,
                timeout=timeout_s,
                dedicated=True,
                grpc_options=CHANNEL_OPTIONS,
                **self._tls,
            )

        return self._sessions.setdefault(os.getpid(), Session(connect))

    def _translated(self, error: Exception, entered: list[Connection]) -> StoreError:
        code, message = diagnose(error, self._token)
        cause = Cause(code)
        if cause in BROKEN:
            for connection in entered:
                connection.retire()
        return StoreError(cause, message)


def _check_name(partition: str) -> None:
    # Milvus Lite makes folders of names, also of one that points outside its own folder.
    if not is_partition_name(partition):
        raise StoreError(Cause.INVALID_NAME, "Milvus does not allow this partition name")


def load_pymilvus() -> Any:
    """The module, imported at the first use: it costs 0.5 s and 85 MB.

    Raises:
        StoreError: `unexpected`, when it cannot be imported.
    """
    silence_grpc()
    try:
        with _without_pyarrow(), _without_collecting():
            import pymilvus
    except Exception as error:  # noqa: BLE001 - an import may raise anything
        message = f"pymilvus cannot be imported: {redact(str(error), '')}"
        raise StoreError(Cause.UNEXPECTED, message) from None
    # pymilvus logs every refusal with a traceback; here it becomes a StoreError.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)
    return pymilvus


@contextmanager
def _without_pyarrow() -> Iterator[None]:
    """Hide pyarrow from the import of pandas, which works without it: it takes 34 MB.

    pymilvus imports pandas for frames, which nothing here uses. Milvus Lite's server needs pyarrow.
    """
    if "pyarrow" in sys.modules or "pandas" in sys.modules:
        yield
        return
    sys.modules["pyarrow"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        # Another thread that imports at once may have removed it.
        sys.modules.pop("pyarrow", None)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Look for no garbage meanwhile: an import leaves hardly any, and to look takes 0.2 s of it."""
    if "pymilvus" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def create_collection_if_missing(uri: str, token: str, collection: str, timeout_s: float) -> None:
    """Make the collection of the embedded mode, or load it.

    Raises:
        StoreError: when Milvus does not answer or refuses.
    """
    store = MilvusPartitionStore(uri, token, timeout_s)
    try:
        if not store.call(lambda client, left_s: _create_collection(client, collection, left_s)):
            load_collection(store, collection)
    finally:
        store.close()


def load_collection(store: PartitionStore, collection: str) -> bool:
    """Load the collection of the embedded mode; True when it was not loaded.

    Milvus Lite has nothing loaded after a start, and searches only what is.

    Raises:
        StoreError: when Milvus does not answer or refuses.
    """
    return store.call(lambda client, left_s: rows.load_collection(client, collection, left_s))


def _create_collection(client: Any, collection: str, left_s: SecondsLeft) -> bool:
    from pymilvus import DataType

    if client.has_collection(collection, timeout=left_s()):
        return False
    schema = client.create_schema(auto_id=True, enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=TEXT_MAX_LENGTH)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=VECTOR_DIMENSIONS)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="AUTOINDEX", metric_type="COSINE")
    client.create_collection(collection, schema=schema, index_params=index, timeout=left_s())
    return True


def _perform(
    request: Request[T], session: Session, deadline: Deadline, entered: list[Connection]
) -> T:
    connection = session.enter(deadline)
    entered.append(connection)
    try:
        return request(connection.client, deadline.left_s)
    finally:
        connection.leave()
