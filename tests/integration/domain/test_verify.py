"""`flask partitions verify`: what is compared, what is printed, and what the exit code says."""

import json
from functools import partial
from typing import Any

import pytest
from click.testing import Result

from tests.factories import NOBODY, Product
from tests.integration.domain.commands import Run, runner
from webapp.models.states import PartitionState

KINDS = ("missing", "orphan", "resurrected", "stuck", "adopted")


@pytest.fixture
def verify(whole: Product, run: Run) -> Run:
    """Runs `flask partitions verify …` for the product."""
    return partial(run, "partitions", "verify")


def findings_of(result: Result) -> dict[str, list[str]]:
    answer = json.loads(result.stdout)
    return {kind: [each["partition"] for each in answer[kind]] for kind in KINDS if answer[kind]}


def repairs(product: Product) -> list[dict[str, int]]:
    """What was found, as the audit's entries of repairs have it."""
    return [json.loads(entry.before or "") for entry in product.audited("partitions.repair")]


def disturbed(product: Product) -> dict[str, list[str]]:
    """Tenant 1 is missing, 2 was removed and came back, 3 is well, 40 is nobody's."""
    for n in range(3):
        product.create(f"T{n}")
    product.work()
    product.store.drop_partition(product.collection, "tenant_1")
    product.delete(2, due=False)
    product.change(2, state=PartitionState.REMOVED)
    product.age(2, "state_since", 60)
    product.occupy(40)
    return {"missing": ["tenant_1"], "orphan": ["tenant_40"], "resurrected": ["tenant_2"]}


def test_exit_is_0_when_everything_is_as_it_is_wanted(whole: Product, verify: Run) -> None:
    tenant = whole.create()
    whole.work()
    whole.age(tenant, "verified_at")
    result = verify("--json")
    answer: dict[str, Any] = json.loads(result.stdout)
    assert (result.exit_code, answer["drift"], findings_of(result)) == (0, False, {})
    compared = {"collection": whole.collection, "partitions": 2, "ready": 1, "other": 0}
    assert answer["collections"] == [compared]
    assert "repaired" not in answer
    row = whole.row(tenant)
    assert row.verified_at is not None
    assert (row.verified_at > row.state_since, row.generation) == (True, 1)


def test_exit_is_1_and_nothing_is_changed_when_there_is_drift(whole: Product, verify: Run) -> None:
    expected = disturbed(whole)
    before = whole.listed()
    for _ in range(2):
        result = verify("--json")
        assert (result.exit_code, findings_of(result)) == (1, expected)
    assert whole.listed() == before
    assert whole.states() == ["ready", "removed", "ready"]
    told = verify()
    assert told.exit_code == 1
    assert "tenant_40" in told.stdout
    assert "Drift was found." in told.stdout


def test_missing_and_resurrected_are_put_right_when_a_repair_is_asked_for(
    whole: Product, verify: Run
) -> None:
    expected = disturbed(whole)
    result = verify("--repair", "--json")
    assert (result.exit_code, findings_of(result)) == (1, expected)
    assert json.loads(result.stdout)["repaired"] == {"missing": 1, "resurrected": 1}
    whole.work()
    again = verify("--repair", "--json")
    assert (again.exit_code, findings_of(again)) == (1, {"orphan": ["tenant_40"]})
    assert whole.listed() == {"tenant_1", "tenant_3", "tenant_40"}
    # Once: the second time there was nothing left to repair.
    assert repairs(whole) == [{"missing": 1, "resurrected": 1}]


def test_rows_are_counted_and_kept_when_an_orphan_or_a_removed_one_holds_some(
    whole: Product, verify: Run
) -> None:
    disturbed(whole)
    whole.occupy(40, 5)
    whole.occupy(2, 2)
    result = verify("--repair", "--json")
    orphans = json.loads(result.stdout)["orphan"]
    assert {(each["partition"], each["tenant_id"], each["rows"]) for each in orphans} == {
        ("tenant_2", 2, 2),
        ("tenant_40", None, 5),
    }
    assert json.loads(result.stdout)["repaired"] == {"missing": 1, "resurrected": 0}


def test_exit_is_0_when_partitions_were_only_adopted(whole: Product, verify: Run) -> None:
    whole.occupy(whole.create())
    whole.work()
    result = verify("--json")
    assert (result.exit_code, findings_of(result)) == (0, {"adopted": ["tenant_1"]})


def test_exit_is_3_and_nothing_is_printed_when_milvus_does_not_answer(whole: Product) -> None:
    result = runner(whole.configured(milvus_uri=NOBODY))("partitions", "verify", "--json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "Nothing was compared." in result.stderr
    assert "milvus_unreachable" in result.stderr


def test_exit_is_3_when_one_of_the_collections_is_missing(whole: Product) -> None:
    whole.create()
    whole.work()
    whole.sweep()
    moved = whole.configured(milvus_collection="not_there")
    result = runner(moved)("partitions", "verify", "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["drift"]) == (3, False)
    assert [each["collection"] for each in answer["not_compared"]] == ["not_there"]
    assert "Not compared: not_there" in result.stderr
