"""The SDK provider: partitions through pymilvus, every error translated at this border."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from create_milvus_partition import count_rows, diagnose, is_duplicate, is_partition_name, redact
from jobs.milvus import rows
from jobs.milvus.connection import Connection, Session
from jobs.milvus.deadline import Deadline, OverrunError
from jobs.milvus.store import PartitionStore, Place, StoreError
from webapp.models.causes import Cause

T = TypeVar("T")
Request = Callable[[Any, float], T]

# A fresh channel must try at once. By default gRPC lets channels to one address share their
# socket, and with it the pause after a refused connection, which grows to two minutes.
# pymilvus pings every 10 s, also while no call is made. Milvus Lite allows no such pings: it ends
# the connection ("too_many_pings"), and gRPC writes that past our logs. Each of our calls has a
# deadline of its own, so an idle connection need not be watched.
CHANNEL_OPTIONS = {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.keepalive_permit_without_calls": 0,
}
BROKEN = frozenset({Cause.MILVUS_UNREACHABLE, Cause.TIMEOUT})
TEXT_MAX_LENGTH = 65_535
VECTOR_DIMENSIONS = 1_536


class MilvusPartitionStore:
    """The partitions of one Milvus server, for all threads of the process that calls.

    pymilvus is imported and the connection opened at the first call, by the process that makes
    it: an inherited channel hangs in one of six forked processes. For the same reason a process
    that has called must not fork, not even after `close`: gRPC's own threads remain.

    After an error that may be the connection's fault the next call opens a fresh one, so it
    never waits for gRPC's own pause.
    """

    def __init__(self, uri: str, token: str, timeout_s: float) -> None:
        self._uri = uri
        self._token = token
        self._timeout_s = timeout_s
        # Kept by process and never dropped: closing what was inherited would touch its channel.
        self._sessions: dict[int, Session] = {}

    def locate(self, collection: str) -> Place:
        """The collection itself that the name, which may be an alias, stands for.

        Raises:
            StoreError: `collection_missing`, or that the server did not answer.
        """

        def locate(client: Any, timeout_s: float) -> Place:
            answer = client.describe_collection(collection, timeout=timeout_s)
            return Place(answer["collection_name"], answer.get("collection_id") or 0)

        return self.call(locate)

    def list_partitions(self, collection: str) -> frozenset[str]:
        """Names of all partitions of the collection, `_default` included.

        Raises:
            StoreError: `collection_missing`, or that the server did not answer.
        """
        return self.call(
            lambda client, timeout_s: frozenset(
                client.list_partitions(collection, timeout=timeout_s)
            )
        )

    def create_partition(self, collection: str, partition: str) -> None:
        """Ask for the partition; that it exists already is a success too.

        Raises:
            StoreError: with the cause that the server's answer shows, or `invalid_name` unasked,
                since Milvus Lite makes folders of names that point outside its own.
        """
        _check_name(partition)

        def create(client: Any, timeout_s: float) -> None:
            try:
                # Waiting for the pace to be allowed is the caller's business, with its pauses.
                client.create_partition(
                    collection, partition, timeout=timeout_s, retry_on_rate_limit=False
                )
            except Exception as error:
                if not is_duplicate(error, partition):
                    raise

        self.call(create)

    def count_rows(self, collection: str, partition: str) -> int | None:
        """Rows of the partition, none of a missing one.

        Raises:
            StoreError: as for a creation; `rate_limited` where only a flush would tell.
        """
        _check_name(partition)

        def count(client: Any, timeout_s: float) -> int:
            return count_rows(client, collection, partition, Deadline(timeout_s).left_s)

        return self.call(count)

    def count_each(self, collection: str, partitions: Sequence[str]) -> Mapping[str, int | None]:
        """Rows of each of the partitions, which exist, with few calls but one time-out for all.

        Raises:
            StoreError: as for one of them.
        """
        return self.call(
            lambda client, timeout_s: rows.count_each(client, collection, partitions, timeout_s)
        )

    def drop_partition(self, collection: str, partition: str) -> None:
        """Release the partition alone and drop it; that it is missing is a success too.

        Raises:
            StoreError: as for a creation.
        """
        _check_name(partition)
        self.call(
            lambda client, timeout_s: rows.drop_partition(client, collection, partition, timeout_s)
        )

    def call(self, request: Request[T]) -> T:
        """What the request returns; it is given a client and the seconds that are left.

        Raises:
            StoreError: whatever went wrong, within the store's time-out.
        """
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
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends here
            # The client's own errors may repeat the credential, and end where jobs are shown.
            raise self._translated(error, entered) from None

    def close(self) -> None:
        """Give up the connection of this process; the next call opens another. Never raises."""
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
    if not is_partition_name(partition):
        raise StoreError(Cause.INVALID_NAME, "Milvus does not allow this partition name")


def load_pymilvus() -> Any:
    """The module, imported at the first use: it costs 0.5 s and 85 MB.

    Raises:
        StoreError: `unexpected`, when it cannot be imported.
    """
    try:
        with _without_pyarrow():
            import pymilvus
    except Exception as error:  # noqa: BLE001 - an import may raise anything
        message = f"pymilvus cannot be imported: {redact(str(error), '')}"
        raise StoreError(Cause.UNEXPECTED, message) from None
    # It writes every refusal with a traceback to stderr; here it becomes a StoreError instead.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)
    return pymilvus


@contextmanager
def _without_pyarrow() -> Iterator[None]:
    """Let the import of pandas in this block find no pyarrow, which it can do without.

    pymilvus imports pandas for frames, which nothing here uses; pandas imports pyarrow where it
    is installed (Milvus Lite's server needs it), and that alone takes 34 MB.
    """
    if "pyarrow" in sys.modules or "pandas" in sys.modules:
        yield
        return
    sys.modules["pyarrow"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        # Of two threads that import at once, the first takes it out.
        sys.modules.pop("pyarrow", None)


def create_collection_if_missing(uri: str, token: str, collection: str, timeout_s: float) -> bool:
    """Make the collection of the embedded mode, or load it; True when it was missing.

    Raises:
        StoreError: when Milvus does not answer or refuses.
    """
    store = MilvusPartitionStore(uri, token, timeout_s)
    try:
        if store.call(lambda client, left_s: _create_collection(client, collection, left_s)):
            return True
        load_collection(store, collection)
        return False
    finally:
        store.close()


def load_collection(store: PartitionStore, collection: str) -> bool:
    """Load the collection of the embedded mode; True when it was not loaded.

    Milvus Lite has nothing loaded after a start, and searches only what is.

    Raises:
        StoreError: when Milvus does not answer or refuses.
    """
    return store.call(lambda client, left_s: rows.load_collection(client, collection, left_s))


def _create_collection(client: Any, collection: str, timeout_s: float) -> bool:
    from pymilvus import DataType

    if client.has_collection(collection, timeout=timeout_s):
        return False
    schema = client.create_schema(auto_id=True, enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=TEXT_MAX_LENGTH)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=VECTOR_DIMENSIONS)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="AUTOINDEX", metric_type="COSINE")
    client.create_collection(collection, schema=schema, index_params=index, timeout=timeout_s)
    return True


def _perform(
    request: Request[T], session: Session, deadline: Deadline, entered: list[Connection]
) -> T:
    connection = session.enter(deadline)
    entered.append(connection)
    try:
        return request(connection.client, deadline.left_s())
    finally:
        connection.delete_tenant()
