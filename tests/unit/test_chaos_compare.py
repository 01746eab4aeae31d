"""The comparison that `make chaos` rests on sees each harm, and none where there is none."""

import pytest

from tests.chaos.compare import Finding, Harm, compare
from tests.chaos.promises import Answer, Creation, Promises
from tests.chaos.records import Row
from tests.chaos.table import Line


def promises_of(*tenants: int) -> Promises:
    promises = Promises()
    for tenant_id in tenants:
        promises.note(Creation(f"T{tenant_id}", Answer.ACKNOWLEDGED, 0.1, tenant_id, 201))
    return promises


def row(tenant_id: int, **values: object) -> Row:
    as_made = {"is_deleted": False, "state": "ready", "partition": f"tenant_{tenant_id}"}
    return Row(id=tenant_id, **{"name": f"T{tenant_id}"} | as_made | values)


def harms(promises: Promises, rows: list[Row], partitions: list[str]) -> list[Harm]:
    return [finding.harm for finding in compare(promises, rows, partitions)]


def test_nothing_is_found_when_the_three_lists_agree() -> None:
    rows = [row(1), row(2), row(3, is_deleted=True, state="removing"), row(4, state="ready")]
    promises = promises_of(1, 2, 3)
    promises.note(Creation("T4", Answer.UNKNOWN, 0.1))
    promises.note(Creation("T5", Answer.REFUSED, 0.1, status=503))
    promises.note_deletion(3)
    assert harms(promises, rows, ["tenant_1", "tenant_2", "tenant_3", "tenant_4"]) == []
    assert harms(promises, rows, ["tenant_1", "tenant_2", "tenant_4"]) == []


REMOVED = row(2, is_deleted=True, state="removed")
HARMS = {
    "no row": (Harm.LOST, [], []),
    "another's number": (Harm.LOST, [row(1, name="another")], [1]),
    "failed": (Harm.LOST, [row(1, state="failed")], [1]),
    "no request": (Harm.LOST, [row(1, state=None, partition=None)], []),
    "no partition": (Harm.LOST, [row(1)], []),
    "one creation made two": (Harm.DOUBLED, [row(1), row(2, name="T1")], [1, 2]),
    "Milvus lists it twice": (Harm.DOUBLED, [row(1)], [1, 1]),
    "the partition is nobody's": (Harm.FOREIGN, [row(1)], [1, 2]),
    "the partition is a removed tenant's": (Harm.FOREIGN, [row(1), REMOVED], [1, 2]),
}


@pytest.mark.parametrize(("harm", "rows", "partitions"), HARMS.values(), ids=HARMS)
def test_tenant_came_to_harm_when(harm: Harm, rows: list[Row], partitions: list[int]) -> None:
    assert harms(promises_of(1), rows, [f"tenant_{each}" for each in partitions]) == [harm]


def test_partition_is_foreign_when_two_tenants_have_it() -> None:
    rows = [row(1), row(2, partition="tenant_1")]
    assert harms(promises_of(1, 2), rows, ["tenant_1"]) == [Harm.FOREIGN]


def test_tenant_is_foreign_when_it_is_back_after_its_deletion() -> None:
    promises = promises_of(1)
    promises.note_deletion(1)
    assert harms(promises, [row(1)], ["tenant_1"]) == [Harm.FOREIGN]


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
