"""`flask partitions verify`: what is compared, what is printed, and what the exit code says."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import select

from jobs.milvus.client import MilvusPartitionStore
from tests.engines.lite import LiteServer
from tests.factories import ACTOR, NOBODY, Product
from tests.integration.domain.test_cli_partitions import runner
from tests.milvus_collections import insert_rows
from webapp.logs import configure_logging
from webapp.models.audit import AuditEntry
from webapp.models.states import PartitionState

KINDS = ("missing", "orphan", "resurrected", "stuck", "adopted")


@pytest.fixture
def verify(whole: Product) -> Iterator[Callable[..., Result]]:
    """Runs `flask partitions verify …` for the product."""
    run = runner(whole)
    yield lambda *options: run("partitions", "verify", *options)
    configure_logging(whole.settings, "stderr")


def findings_of(result: Result) -> dict[str, list[str]]:
    answer = json.loads(result.stdout)
    return {kind: [each["partition"] for each in answer[kind]] for kind in KINDS if answer[kind]}


def repairs(product: Product) -> list[dict[str, int]]:
    """What was found, as the audit's entries of repairs have it."""
    entries = select(AuditEntry.before).where(AuditEntry.action == "partitions.repair")
    with product.engine.connect() as connection:
        return [json.loads(text) for text in connection.scalars(entries)]


def disturbed(product: Product, store: MilvusPartitionStore) -> dict[str, list[str]]:
    """Tenant 1 is missing, 2 was removed and came back, 3 is well, 40 is nobody's."""
    for n in range(3):
        product.create(f"T{n}")
    product.work(store)
    collection = product.settings.milvus_collection
    store.drop_partition(collection, "tenant_1")
    product.services.tenants.delete(2, actor=ACTOR)
    product.change(2, state=PartitionState.REMOVED)
    product.age(2, "state_since", 60)
    store.create_partition(collection, "tenant_40")
    return {"missing": ["tenant_1"], "orphan": ["tenant_40"], "resurrected": ["tenant_2"]}


def test_exit_is_0_when_everything_is_as_it_is_wanted(
    whole: Product, store: MilvusPartitionStore, verify: Callable[..., Result]
) -> None:
    tenant = whole.create()
    whole.work(store)
    whole.age(tenant, "verified_at")
    result = verify("--json")
    answer: dict[str, Any] = json.loads(result.stdout)
    assert (result.exit_code, answer["drift"], findings_of(result)) == (0, False, {})
    assert answer["collections"] == [
        {
            "collection": whole.settings.milvus_collection,
            "partitions": 2,
            "ready": 1,
            "other": 0,
        }
    ]
    assert "repaired" not in answer
    row = whole.row(tenant)
    assert row.verified_at is not None
    assert (row.verified_at > row.state_since, row.generation) == (True, 1)


def test_exit_is_1_and_nothing_is_changed_when_there_is_drift(
    whole: Product, store: MilvusPartitionStore, verify: Callable[..., Result]
) -> None:
    expected = disturbed(whole, store)
    before = store.list_partitions(whole.settings.milvus_collection)
    for _ in range(2):
        result = verify("--json")
        assert (result.exit_code, findings_of(result)) == (1, expected)
    assert store.list_partitions(whole.settings.milvus_collection) == before
    assert whole.states() == ["ready", "removed", "ready"]
    told = verify()
    assert told.exit_code == 1
    assert "tenant_40" in told.stdout
    assert "Drift was found." in told.stdout


def test_missing_and_resurrected_are_put_right_when_a_repair_is_asked_for(
    whole: Product, store: MilvusPartitionStore, verify: Callable[..., Result]
) -> None:
    expected = disturbed(whole, store)
    result = verify("--repair", "--json")
    assert (result.exit_code, findings_of(result)) == (1, expected)
    assert json.loads(result.stdout)["repaired"] == {"missing": 1, "resurrected": 1}
    whole.work(store)
    again = verify("--repair", "--json")
    assert (again.exit_code, findings_of(again)) == (1, {"orphan": ["tenant_40"]})
    names = store.list_partitions(whole.settings.milvus_collection)
    assert names == {"_default", "tenant_1", "tenant_3", "tenant_40"}
    # Once: the second time there was nothing left to repair.
    assert repairs(whole) == [{"missing": 1, "resurrected": 1}]


def test_rows_are_counted_and_kept_when_an_orphan_or_a_removed_one_holds_some(
    whole: Product,
    store: MilvusPartitionStore,
    milvus_lite: LiteServer,
    verify: Callable[..., Result],
) -> None:
    disturbed(whole, store)
    for name, rows in (("tenant_40", 5), ("tenant_2", 2)):
        insert_rows(milvus_lite.uri, whole.settings.milvus_collection, name, rows)
    result = verify("--repair", "--json")
    orphans = json.loads(result.stdout)["orphan"]
    assert {(each["partition"], each["tenant_id"], each["rows"]) for each in orphans} == {
        ("tenant_2", 2, 2),
        ("tenant_40", None, 5),
    }
    assert json.loads(result.stdout)["repaired"] == {"missing": 1, "resurrected": 0}


def test_exit_is_0_when_partitions_were_only_adopted(
    whole: Product, store: MilvusPartitionStore, verify: Callable[..., Result]
) -> None:
    store.create_partition(whole.settings.milvus_collection, "tenant_1")
    whole.create()
    whole.work(store)
    result = verify("--json")
    assert (result.exit_code, findings_of(result)) == (0, {"adopted": ["tenant_1"]})


def test_exit_is_3_and_nothing_is_printed_when_milvus_does_not_answer(whole: Product) -> None:
    result = runner(whole.configured(milvus_uri=NOBODY))("partitions", "verify", "--json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "Nothing was compared." in result.stderr
    assert "milvus_unreachable" in result.stderr


def test_exit_is_3_when_one_of_the_collections_is_missing(
    whole: Product, store: MilvusPartitionStore
) -> None:
    whole.create()
    whole.work(store)
    whole.sweep(store)
    moved = whole.configured(milvus_collection="not_there")
    result = runner(moved)("partitions", "verify", "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["drift"]) == (3, False)
    assert [each["collection"] for each in answer["not_compared"]] == ["not_there"]
    assert "Not compared: not_there" in result.stderr
