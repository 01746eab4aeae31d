"""The canary on every Milvus: it passes, it fails when rows leak, and it leaves nothing behind."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from jobs.canary.check import Canary
from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.store import Request, StoreError
from tests.engines.lite import LiteServer
from tests.factories import FaultyStore
from tests.milvus_collections import insert_rows, make_collection
from webapp.models.causes import Cause
from webapp.models.naming import PROBES
from webapp.models.states import CanaryOutcome
from webapp.partitions.isolation_checks import CanaryReport


@pytest.fixture(scope="module", params=["milvus_lite", "milvus_standalone"])
def uri(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param).uri)


# For what engines have no part in.
on_lite = pytest.mark.parametrize("uri", ["milvus_lite"], indirect=True, scope="module")


@pytest.fixture
def store(uri: str) -> Iterator[MilvusPartitionStore]:
    store = MilvusPartitionStore(uri, "", 10)
    yield store
    store.close()


class Leaking(FaultyStore):
    """A real store whose server looks into all partitions, whichever is named."""

    def __init__(self, real: MilvusPartitionStore, leaks: str) -> None:
        super().__init__(real)
        self.leaks = leaks

    def call(self, request: Request[Any]) -> Any:
        return super().call(lambda client, left_s: request(Leak(client, self.leaks), left_s))


class Leak:
    """A client one of whose methods forgets the partition that it is given."""

    def __init__(self, client: Any, method: str) -> None:
        self._client = client
        self._method = method

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name != self._method:
            return real

        def leak(*args: Any, partition_names: list[str], **named: Any) -> Any:
            return real(*args, **named)

        return leak


def check(store: Any, collection: str, max_partitions: int = 16) -> CanaryReport:
    return Canary(store, max_partitions, 60).run(collection)


def collection_of(store: MilvusPartitionStore, *fields: dict[str, Any], **key: Any) -> str:
    """A loaded collection with these fields; the first is a vector with an index."""
    name = f"c_{uuid4().hex}"

    def make(client: Any, left_s: Callable[[], float]) -> None:
        schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
        schema.add_field("key", is_primary=True, **key)
        for field in fields:
            schema.add_field(**field)
        index = client.prepare_index_params()
        index.add_index(fields[0]["field_name"], index_type="AUTOINDEX", metric_type="COSINE")
        client.create_collection(name, schema=schema, index_params=index, timeout=left_s())

    store.call(make)
    return name


def is_loaded(store: MilvusPartitionStore, collection: str, partition: str) -> bool:
    state = store.call(lambda c, left_s: c.get_load_state(collection, partition, timeout=left_s()))
    return bool(state["state"].name == "Loaded")


def test_check_passes_and_leaves_nothing_when_partitions_keep_their_rows_apart(
    uri: str, store: MilvusPartitionStore
) -> None:
    name = make_collection(uri, loaded=True)
    store.create_partition(name, "tenant_1")
    insert_rows(uri, name, "tenant_1", 2)
    report = check(store, name)
    assert report.outcome == "passed", report.message
    assert "search (vector)" in report.message
    assert store.list_partitions(name) == {"_default", "tenant_1"}
    assert is_loaded(store, name, "tenant_1")
    assert store.count_rows(name, "tenant_1") == 2


def test_check_passes_when_milvus_lite_was_started_anew(spare_lite: LiteServer) -> None:
    name = make_collection(spare_lite.uri, loaded=True)
    spare_lite.restart()
    store = MilvusPartitionStore(spare_lite.uri, "", 10)
    report = check(store, name)
    store.close()
    assert report.outcome == "passed", report.message


@pytest.mark.parametrize("leaks", ["query", "search"])
def test_check_fails_when_rows_leak_between_partitions(
    uri: str, store: MilvusPartitionStore, leaks: str
) -> None:
    name = make_collection(uri, loaded=True)
    report = check(Leaking(store, leaks), name)
    assert report.outcome == "failed"
    assert "3 rows of another partition" in report.message
    assert store.list_partitions(name) == {"_default"}


def test_check_fits_the_rows_when_the_collection_has_every_common_type(
    store: MilvusPartitionStore,
) -> None:
    from pymilvus import DataType

    words = {"element_type": DataType.VARCHAR, "max_length": 9}
    kinds: list[Any] = ["INT8", "INT16", "INT32", "INT64", "FLOAT", "DOUBLE", "BOOL", "JSON"]
    fields: list[dict[str, Any]] = [
        {"field_name": "vector", "datatype": DataType.FLOAT_VECTOR, "dim": 8},
        *({"field_name": kind.lower(), "datatype": DataType[kind]} for kind in kinds),
        {"field_name": "text", "datatype": DataType.VARCHAR, "max_length": 2},
        {"field_name": "tags", "datatype": DataType.ARRAY, **words, "max_capacity": 2},
    ]
    name = collection_of(store, *fields, datatype=DataType.VARCHAR, max_length=32)
    report = check(store, name)
    assert report.outcome == "passed", report.message


def test_leftovers_are_dropped_first_when_a_check_died(
    uri: str, store: MilvusPartitionStore
) -> None:
    name = make_collection(uri, loaded=True)
    for probe in PROBES:
        store.create_partition(name, probe)
        insert_rows(uri, name, probe, 2)
    assert check(store, name, max_partitions=3).outcome == "passed"
    assert store.list_partitions(name) == {"_default"}


@on_lite
def test_check_is_not_run_when_two_more_partitions_do_not_fit(
    uri: str, store: MilvusPartitionStore
) -> None:
    name = make_collection(uri)
    store.create_partition(name, "tenant_1")
    report = check(store, name, max_partitions=3)
    assert (report.outcome, "no room" in report.message) == ("not_run", True)
    assert check(store, name, max_partitions=4).outcome == "passed"


def test_check_is_not_run_when_milvus_manages_the_partitions(
    uri: str, store: MilvusPartitionStore
) -> None:
    report = check(store, make_collection(uri, partition_key=True), max_partitions=99)
    assert (report.outcome, report.message.partition(":")[0]) == ("not_run", "partition_key_mode")


@on_lite
def test_check_is_not_run_when_a_key_is_too_short_for_one_that_nobody_has(
    store: MilvusPartitionStore,
) -> None:
    from pymilvus import DataType

    vector = {"field_name": "vector", "datatype": DataType.FLOAT_VECTOR, "dim": 4}
    name = collection_of(store, vector, datatype=DataType.VARCHAR, max_length=8)
    report = check(store, name)
    assert (report.outcome, "too short" in report.message) == ("not_run", True)


def test_check_is_not_run_when_milvus_does_not_answer() -> None:
    deaf = FaultyStore(listing=StoreError(Cause.MILVUS_UNREACHABLE, "nobody listens"))
    not_run = CanaryReport(CanaryOutcome.NOT_RUN, "milvus_unreachable: nobody listens")
    assert check(deaf, "c") == not_run


@on_lite
def test_check_is_not_run_when_somebody_drops_the_probes_meanwhile(
    uri: str, store: MilvusPartitionStore
) -> None:
    class Disturbed(FaultyStore):
        def call(self, request: Request[Any]) -> Any:
            for probe in PROBES:
                if self.calls.count("create") == 2:
                    store.drop_partition(name, probe)
            return super().call(request)

    name = make_collection(uri)
    report = check(Disturbed(store), name)
    assert report.outcome == "not_run", report.message


@on_lite
def test_check_ends_and_cleans_up_when_it_takes_too_long(
    uri: str, store: MilvusPartitionStore
) -> None:
    name = make_collection(uri)
    slow = FaultyStore(store)
    canary = Canary(slow, 16, 60)
    slow.before_creating = lambda: setattr(canary, "_ends_at", 0.0)
    report = canary.run(name)
    assert (report.outcome, report.message[:7]) == ("not_run", "timeout")
    assert store.list_partitions(name) == {"_default"}
