"""A Milvus that wants credentials and limits the pace."""

from contextlib import closing

import pytest

from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.store import StoreError
from tests.acceptance.test_partition_script import named, script
from tests.engines.standalone import StandaloneServer
from tests.milvus_collections import make_collection
from webapp.models.causes import Cause


def test_cause_is_auth_when_token_is_refused(guarded_standalone: StandaloneServer) -> None:
    for token in ("", "root:wrongpass"):
        store = MilvusPartitionStore(guarded_standalone.uri, token, 5)
        with closing(store), pytest.raises(StoreError) as caught:
            store.list_partitions("c")
        assert caught.value.cause is Cause.AUTH
        assert "wrongpass" not in caught.value.message


def test_cause_is_rate_limited_when_pace_is_refused(guarded_standalone: StandaloneServer) -> None:
    server = guarded_standalone
    collection = make_collection(server.uri, server.token)
    store = MilvusPartitionStore(server.uri, server.token, 5)
    with closing(store), pytest.raises(StoreError) as caught:
        for number in range(10):
            store.create_partition(collection, f"tenant_{number}")
    assert caught.value.cause is Cause.RATE_LIMITED


def test_cause_is_auth_when_the_script_has_a_wrong_token(
    guarded_standalone: StandaloneServer,
) -> None:
    run = script(*named("c", "tenant_1"), "--uri", guarded_standalone.uri)
    assert (run.code, run.answer["cause"]) == (1, "auth")
