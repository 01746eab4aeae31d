"""The comparison that `make chaos` rests on sees each harm, and none where there is none."""

import pytest

from tests.chaos.compare import Finding, Harm, compare
from tests.chaos.promises import Answer, Creation, Ledger
from tests.chaos.records import Row
from tests.chaos.table import Line


def ledger_of(*tenants: int) -> Ledger:
    ledger = Ledger()
    for tenant_id in tenants:
        ledger.note(Creation(f"T{tenant_id}", Answer.ACKNOWLEDGED, 0.1, tenant_id, 201))
    return ledger


def row(tenant_id: int, **values: object) -> Row:
    as_made = {"is_deleted": False, "state": "ready", "partition": f"tenant_{tenant_id}"}
    return Row(id=tenant_id, **{"name": f"T{tenant_id}"} | as_made | values)


def harms(ledger: Ledger, rows: list[Row], partitions: list[str]) -> list[Harm]:
    return [finding.harm for finding in compare(ledger, rows, partitions)]


def test_nothing_is_found_when_the_three_lists_agree() -> None:
    rows = [row(1), row(2), row(3, is_deleted=True, state="removing"), row(4, state="ready")]
    ledger = ledger_of(1, 2, 3)
    ledger.note(Creation("T4", Answer.UNKNOWN, 0.1))
    ledger.note(Creation("T5", Answer.REFUSED, 0.1, status=503))
    ledger.note_deletion(3)
    assert harms(ledger, rows, ["tenant_1", "tenant_2", "tenant_3", "tenant_4"]) == []
    assert harms(ledger, rows, ["tenant_1", "tenant_2", "tenant_4"]) == []


@pytest.mark.parametrize(
    ("rows", "partitions"),
    [
        ([], []),
        ([row(1, name="another")], ["tenant_1"]),
        ([row(1, state="failed")], ["tenant_1"]),
        ([row(1, state=None, partition=None)], []),
        ([row(1)], []),
    ],
    ids=["no row", "another's number", "failed", "no request", "no partition"],
)
def test_tenant_is_lost_when(rows: list[Row], partitions: list[str]) -> None:
    assert harms(ledger_of(1), rows, partitions) == [Harm.LOST]


def test_tenant_is_doubled_when_one_creation_made_two() -> None:
    rows = [row(1), row(2, name="T1")]
    assert harms(ledger_of(1), rows, ["tenant_1", "tenant_2"]) == [Harm.DOUBLED]


def test_partition_is_doubled_when_milvus_lists_it_twice() -> None:
    assert harms(ledger_of(1), [row(1)], ["tenant_1", "tenant_1"]) == [Harm.DOUBLED]


@pytest.mark.parametrize(
    "rows",
    [[row(1)], [row(1), row(2, is_deleted=True, state="removed")]],
    ids=["nobody's", "a removed tenant's"],
)
def test_partition_is_foreign_when_it_is(rows: list[Row]) -> None:
    assert harms(ledger_of(1), rows, ["tenant_1", "tenant_2"]) == [Harm.FOREIGN]


def test_partition_is_foreign_when_two_tenants_have_it() -> None:
    rows = [row(1), row(2, partition="tenant_1")]
    assert harms(ledger_of(1, 2), rows, ["tenant_1"]) == [Harm.FOREIGN]


def test_tenant_is_foreign_when_it_is_back_after_its_deletion() -> None:
    ledger = ledger_of(1)
    ledger.note_deletion(1)
    assert harms(ledger, [row(1)], ["tenant_1"]) == [Harm.FOREIGN]


@pytest.mark.parametrize(
    ("findings", "healed_s", "misses", "is_kept"),
    [
        ([], [1.0, 20.0], [], True),
        ([Finding(Harm.LOST, "tenant 7")], [1.0], [], False),
        ([], [1.0, 20.1], [], False),
        ([], [1.0], ["5 sign-ups were refused"], False),
    ],
    ids=["all well", "one lost", "too late", "another promise broken"],
)
def test_line_is_kept_only_when(
    findings: list[Finding], healed_s: list[float], misses: list[str], is_kept: bool
) -> None:
    line = Line("Redis flushed", 2, 20, frozenset(findings), healed_s, 20.0, misses)
    assert line.is_kept is is_kept
