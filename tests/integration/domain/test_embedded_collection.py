"""The collection of the embedded mode is made when missing, and loaded at every start."""

from contextlib import closing

import pytest

from jobs.milvus.client import MilvusPartitionStore
from jobs.milvus.embedded import main
from tests.engines.lite import LiteServer
from tests.engines.process import free_port, wait_until
from tests.factories import Product
from webapp.var_dir import remember


def test_collection_is_made_once_when_started_twice(milvus_lite: LiteServer) -> None:
    command = ["--uri", milvus_lite.uri, "--collection", "embedded", "--wait", "10"]
    assert main(command) == 0
    store = MilvusPartitionStore(milvus_lite.uri, "", 10)
    store.create_partition("embedded", "tenant_1")
    assert main(command) == 0
    assert "tenant_1" in store.list_partitions("embedded")
    store.close()


def test_exit_code_is_1_when_milvus_does_not_come(capsys: pytest.CaptureFixture[str]) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    assert main(["--uri", uri, "--collection", "c", "--wait", "0.3"]) == 1
    assert "Fail connecting" in capsys.readouterr().err


def load_state(store: MilvusPartitionStore, collection: str) -> str:
    state = store.call(lambda client, left_s: client.get_load_state(collection, timeout=left_s()))
    return str(state["state"].name)


def test_collection_is_loaded_again_by_a_start_and_by_a_sweep_when_milvus_was_started_anew(
    spare_lite: LiteServer, simple: Product
) -> None:
    remember(simple.settings.var_dir / "milvus.port", str(spare_lite.port))
    embedded = simple.configured(milvus_uri=None, milvus_timeout=10)
    collection = embedded.collection
    command = ["--uri", spare_lite.uri, "--collection", collection, "--wait", "10"]
    with closing(MilvusPartitionStore(spare_lite.uri, "", 10)) as store:
        assert main(command) == 0
        spare_lite.restart()
        assert load_state(store, collection) == "NotLoad"
        assert main(command) == 0
        assert load_state(store, collection) == "Loaded"
        reconciler = embedded.reconciler(store)
        assert reconciler.sweep()
        spare_lite.restart()
        # The first call finds the connection broken, as any other does.
        wait_until(
            lambda: reconciler.sweep() and load_state(store, collection) == "Loaded", 10, "loaded"
        )
