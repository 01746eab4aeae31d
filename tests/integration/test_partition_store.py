"""What a partition store promises, held against every Milvus and every pymilvus there is."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobs.milvus.client import MilvusPartitionStore, create_collection_if_missing
from jobs.milvus.store import StoreError
from tests.engines.lite import LiteServer
from tests.engines.process import free_port
from tests.milvus_collections import (
    delete_rows,
    drop_collection,
    insert_rows,
    make_collection,
)
from tests.model.milvus import InMemoryMilvus
from webapp.models.causes import Cause

TIMEOUT_S = 5.0
SHORT_S = 1.0
# What a loaded machine of two cores may add to a bound that was kept.
SLACK_S = 2.0


FORKING = """
import os, sys
import pymilvus
from jobs.milvus.client import MilvusPartitionStore
uri, collection = sys.argv[1:]
store = MilvusPartitionStore(uri, "", 5)
if os.fork() == 0:
    assert store.list_partitions(collection) == {"_default"}
    print("child", flush=True)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
assert store.list_partitions(collection) == {"_default"}
print("parent", flush=True)
"""


class Running:
    """A server, and what is done to it beside the store."""

    def __init__(self, server: Any) -> None:
        self.uri: str = server.uri
        self.max_partitions: int | None = server.max_partitions
        self.make_collection = partial(make_collection, server.uri)
        self.drop_collection = partial(drop_collection, server.uri)
        self.insert_rows = partial(insert_rows, server.uri)
        self.delete_rows = partial(delete_rows, server.uri)


Engine = Running | InMemoryMilvus


@pytest.fixture(scope="module", params=["milvus_lite", "milvus_standalone"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "in_memory":
        return InMemoryMilvus(max_partitions=16)
    return Running(request.getfixturevalue(request.param))


# The contract itself, to which the Milvus of the model is held too.
in_memory_too = pytest.mark.parametrize(
    "engine", ["in_memory", "milvus_lite", "milvus_standalone"], indirect=True, scope="module"
)


@pytest.fixture
def store(engine: Engine) -> Iterator[Any]:
    if isinstance(engine, InMemoryMilvus):
        yield engine
        return
    with opened(engine.uri) as store:
        yield store


@pytest.fixture
def collection(engine: Engine) -> str:
    return engine.make_collection()


@contextmanager
def opened(uri: str, timeout_s: float = TIMEOUT_S) -> Iterator[MilvusPartitionStore]:
    store = MilvusPartitionStore(uri, "", timeout_s)
    yield store
    store.close()


def cause_of(call: Callable[[], object]) -> Cause:
    with pytest.raises(StoreError) as caught:
        call()
    return caught.value.cause


def seconds(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


@in_memory_too
def test_collection_is_located_by_its_own_name(
    store: MilvusPartitionStore, collection: str
) -> None:
    assert store.locate(collection).name == collection
    assert store.locate(collection) == store.locate(collection)
    assert cause_of(lambda: store.locate("nowhere")) == Cause.COLLECTION_MISSING


@in_memory_too
def test_collection_that_was_made_again_is_another_one(
    store: MilvusPartitionStore, engine: Engine, collection: str
) -> None:
    first = store.locate(collection)
    store.create_partition(collection, "tenant_1")
    assert store.locate(collection) == first
    engine.drop_collection(collection)
    engine.make_collection(name=collection)
    second = store.locate(collection)
    # Milvus Lite gives no number that would tell it.
    assert second.is_other_than(first) == first.has_identity
    assert first.is_same(second) != first.has_identity


def test_alias_is_located_as_what_it_stands_for(
    store: MilvusPartitionStore, collection: str
) -> None:
    alias = f"alias_of_{collection}"
    store.call(lambda client, left_s: client.create_alias(collection, alias, timeout=left_s()))
    assert store.locate(alias) == store.locate(collection)
    assert store.list_partitions(alias) == {"_default"}


@in_memory_too
def test_partition_is_listed_once_when_created_twice(
    store: MilvusPartitionStore, collection: str
) -> None:
    for _ in range(2):
        store.create_partition(collection, "tenant_1")
        assert store.list_partitions(collection) == {"_default", "tenant_1"}


def test_partition_is_listed_once_when_16_threads_create_it(
    store: MilvusPartitionStore, collection: str
) -> None:
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: store.create_partition(collection, "tenant_1"), range(16)))
    names = list(store.call(lambda c, left_s: c.list_partitions(collection, timeout=left_s())))
    assert sorted(names) == ["_default", "tenant_1"]


@in_memory_too
def test_all_are_listed_when_8_threads_create_others(
    store: MilvusPartitionStore, collection: str
) -> None:
    names = {f"tenant_{number}" for number in range(1, 13)}
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: store.create_partition(collection, name), names))
    assert store.list_partitions(collection) == names | {"_default"}


@in_memory_too
def test_answers_are_fresh_when_collection_is_dropped_and_made_again(
    engine: Engine, store: MilvusPartitionStore, collection: str
) -> None:
    store.create_partition(collection, "tenant_1")
    engine.drop_collection(collection)
    assert cause_of(lambda: store.list_partitions(collection)) is Cause.COLLECTION_MISSING
    engine.make_collection(name=collection)
    assert store.list_partitions(collection) == {"_default"}
    store.create_partition(collection, "tenant_1")


@in_memory_too
def test_creation_is_refused_when_milvus_manages_the_partitions(
    engine: Engine, store: MilvusPartitionStore
) -> None:
    keyed = engine.make_collection(partition_key=True)
    assert cause_of(lambda: store.create_partition(keyed, "a")) is Cause.PARTITION_KEY_MODE


# Milvus Lite knows no limit.
@pytest.mark.parametrize(
    "engine", ["in_memory", "milvus_standalone"], indirect=True, scope="module"
)
def test_only_new_partitions_are_refused_when_collection_is_full(
    engine: Engine, store: MilvusPartitionStore, collection: str
) -> None:
    assert engine.max_partitions
    for number in range(1, engine.max_partitions):
        store.create_partition(collection, f"tenant_{number}")
    assert cause_of(lambda: store.create_partition(collection, "tenant_0")) is Cause.CAPACITY
    store.create_partition(collection, "tenant_1")


def test_collection_is_made_once_when_missing(engine: Engine, store: MilvusPartitionStore) -> None:
    name = engine.make_collection()
    engine.drop_collection(name)
    create_collection_if_missing(engine.uri, "", name, 30)
    store.create_partition(name, "tenant_1")
    create_collection_if_missing(engine.uri, "", name, 30)
    assert store.list_partitions(name) == {"_default", "tenant_1"}


@in_memory_too
@pytest.mark.parametrize("loaded", [True, False])
def test_rows_are_counted_by_partition_when_they_were_written_or_deleted_just_now(
    engine: Engine, store: MilvusPartitionStore, loaded: bool
) -> None:
    name = engine.make_collection(loaded=loaded)
    store.create_partition(name, "tenant_1")
    store.create_partition(name, "tenant_2")
    assert store.count_rows(name, "tenant_1") == 0
    engine.insert_rows(name, "tenant_1", 25)
    counted = [store.count_rows(name, f"tenant_{n}") for n in (1, 2, 3)]
    assert counted == [25, 0, 0], "the third partition is missing"
    if loaded:
        engine.delete_rows(name, "tenant_1")
        assert store.count_rows(name, "tenant_1") == 0


@in_memory_too
@pytest.mark.parametrize("loaded", [True, False])
def test_each_is_counted_for_itself_when_many_are_asked_for_at_once(
    engine: Engine, store: MilvusPartitionStore, loaded: bool
) -> None:
    name = engine.make_collection(loaded=loaded)
    rows = {"tenant_1": 3, "tenant_2": 0, "tenant_3": 7}
    for partition, count in rows.items():
        store.create_partition(name, partition)
        if count:
            engine.insert_rows(name, partition, count)
    assert store.count_each(name, list(rows)) == rows
    assert store.count_each(name, ["tenant_2"]) == {"tenant_2": 0}


@in_memory_too
@pytest.mark.parametrize("loaded", [True, False])
def test_partition_is_gone_and_its_neighbour_stays_loaded_when_dropped(
    engine: Engine, store: MilvusPartitionStore, loaded: bool
) -> None:
    name = engine.make_collection(loaded=loaded)
    for partition in ("tenant_1", "tenant_2"):
        store.create_partition(name, partition)
        engine.insert_rows(name, partition, 5)
    store.drop_partition(name, "tenant_1")
    store.drop_partition(name, "tenant_1")
    assert store.list_partitions(name) == {"_default", "tenant_2"}
    assert store.count_rows(name, "tenant_2") == 5
    if loaded and not isinstance(engine, InMemoryMilvus):
        assert rows_in(store, name, "tenant_2") == 5


def rows_in(store: MilvusPartitionStore, collection: str, partition: str) -> int:
    """How many rows a search in the partition finds, which must be loaded for it."""
    where = {"partition_names": [partition], "consistency_level": "Strong"}
    (hits,) = store.call(
        lambda client, left_s: client.search(
            collection, data=[[0.1, 0.2, 0.3, 0.4]], limit=100, timeout=left_s(), **where
        )
    )
    return len(hits)


def test_partition_made_after_a_drop_can_be_searched_when_the_collection_is_loaded(
    engine: Engine, store: MilvusPartitionStore
) -> None:
    name = engine.make_collection(loaded=True)
    store.create_partition(name, "tenant_1")
    store.drop_partition(name, "tenant_1")
    store.create_partition(name, "tenant_2")
    engine.insert_rows(name, "tenant_2", 2)
    assert rows_in(store, name, "tenant_2") == 2


@in_memory_too
def test_calls_say_so_when_the_collection_is_missing_or_the_name_is_bad(
    store: MilvusPartitionStore, collection: str
) -> None:
    for missing in ("nope", "docs_partition_key"):
        assert cause_of(partial(store.list_partitions, missing)) is Cause.COLLECTION_MISSING
        assert cause_of(partial(store.locate, missing)) is Cause.COLLECTION_MISSING
    for call in (store.create_partition, store.count_rows, store.drop_partition):
        assert cause_of(partial(call, "nope", "tenant_1")) is Cause.COLLECTION_MISSING
        assert cause_of(partial(call, "nope", "../evil")) is Cause.INVALID_NAME
    for name in ("", "a/b", "tenant-1", "../../evil", "1a", "a\n", "è", "a" * 256):
        assert cause_of(partial(store.create_partition, collection, name)) is Cause.INVALID_NAME
    assert store.list_partitions(collection) == {"_default"}


@in_memory_too
def test_default_partition_is_not_dropped_when_asked_for(
    store: MilvusPartitionStore, collection: str
) -> None:
    assert cause_of(lambda: store.drop_partition(collection, "_default")) is Cause.UNEXPECTED
    assert store.list_partitions(collection) == {"_default"}


@in_memory_too
def test_store_goes_on_when_it_was_closed(store: MilvusPartitionStore, collection: str) -> None:
    store.list_partitions(collection)
    store.close()
    store.close()
    assert store.list_partitions(collection) == {"_default"}


# Under the pymilvus before ours too, which is tried with this engine.
@pytest.mark.parametrize("engine", ["milvus_standalone"], indirect=True, scope="module")
def test_child_and_parent_open_their_own_when_process_forks_before_the_first_call(
    engine: Engine, collection: str
) -> None:
    # In a process of its own: where gRPC has once had a channel, open or closed, a fork can hang.
    done = subprocess.run(
        [sys.executable, "-c", FORKING, engine.uri, collection],
        cwd=Path(__file__).parents[2],
        timeout=30,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "child\nparent\n"), done.stderr


def test_connection_is_left_alone_when_another_process_opened_it(
    store: MilvusPartitionStore, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_here = store.call(lambda client, _: client)
    monkeypatch.setattr("jobs.milvus.client.os.getpid", lambda: -1)
    assert store.call(lambda client, _: client) is not opened_here
    store.close()
    monkeypatch.undo()
    assert store.call(lambda client, _: client) is opened_here
    assert store.list_partitions(collection) == {"_default"}


def test_unreachable_is_said_at_once_when_connection_is_refused() -> None:
    with opened(f"http://127.0.0.1:{free_port()}") as store:
        cause_of(lambda: store.list_partitions("warm"))
        took_s = seconds(lambda: cause_of(lambda: store.list_partitions("c")))
        assert cause_of(lambda: store.create_partition("c", "a")) is Cause.MILVUS_UNREACHABLE
    assert took_s < SLACK_S


def test_calls_end_in_time_when_nothing_answers_behind_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        uri = f"http://127.0.0.1:{black_hole.getsockname()[1]}"
        with opened(uri, SHORT_S) as store, ThreadPoolExecutor(8) as threads:
            started = time.monotonic()
            causes = set(
                threads.map(lambda _: cause_of(lambda: store.list_partitions("c")), range(8))
            )
            took_s = time.monotonic() - started
    assert causes == {Cause.MILVUS_UNREACHABLE}
    assert took_s < SHORT_S + SLACK_S


def test_calls_end_in_time_when_server_is_frozen(spare_lite: LiteServer) -> None:
    name = make_collection(spare_lite.uri)
    with opened(spare_lite.uri, SHORT_S) as store:
        store.list_partitions(name)
        spare_lite.freeze()
        assert cause_of(lambda: store.create_partition(name, "a")) is Cause.TIMEOUT
        for call in (store.create_partition, store.count_rows, store.drop_partition):
            took_s = seconds(partial(cause_of, partial(call, name, "a")))
            assert took_s < SHORT_S + SLACK_S
        spare_lite.thaw()
        assert "_default" in store.list_partitions(name)


def test_next_call_succeeds_when_server_was_restarted_unnoticed(spare_lite: LiteServer) -> None:
    name = make_collection(spare_lite.uri)
    made = {"_default", "tenant_1"}
    with opened(spare_lite.uri) as store:
        store.create_partition(name, "tenant_1")
        spare_lite.restart()
        assert store.list_partitions(name) == made
        spare_lite.kill()
        for _ in range(20):
            assert cause_of(lambda: store.list_partitions(name)) is Cause.MILVUS_UNREACHABLE
        spare_lite.start()
        took_s = seconds(lambda: store.list_partitions(name))
        assert store.list_partitions(name) == made
    assert took_s < SLACK_S
