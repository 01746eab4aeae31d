"""Compares three lists: what clients were promised, what the database holds, what Milvus has."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos.promises import Promises
from tests.chaos.records import Row

READY = "ready"
# Of a tenant that is leaving, Milvus may still have the partition or not.
LEAVING = "removing"


class Harm(StrEnum):
    LOST = "lost"
    DOUBLED = "doubled"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Finding:
    harm: Harm
    what: str


def compare(promises: Promises, rows: Sequence[Row], partitions: Sequence[str]) -> set[Finding]:
    """Everything in which the three lists do not agree, once all has settled."""
    found = set(_lost(promises, rows, frozenset(partitions)))
    found |= set(_doubled(rows, partitions))
    found |= set(_foreign(promises, rows, partitions))
    return found


def _lost(promises: Promises, rows: Sequence[Row], partitions: frozenset[str]) -> Iterator[Finding]:
    names = {row.id: row.name for row in rows}
    for creation in promises.acknowledged():
        if names.get(creation.tenant_id or 0) != creation.name:
            yield Finding(Harm.LOST, f"tenant {creation.tenant_id} was acknowledged, has no row")
    for row in rows:
        if row.is_deleted:
            continue
        if row.state != READY:
            yield Finding(Harm.LOST, f"tenant {row.id} is {row.state}")
        elif row.partition not in partitions:
            yield Finding(Harm.LOST, f"tenant {row.id} is ready without its partition")


def _doubled(rows: Sequence[Row], partitions: Sequence[str]) -> Iterator[Finding]:
    # Every creation has a name of its own, which its repeats share.
    for name, times in Counter(row.name for row in rows).items():
        if times > 1:
            yield Finding(Harm.DOUBLED, f"{times} tenants for one creation of {name}")
    for name, times in Counter(partitions).items():
        if times > 1:
            yield Finding(Harm.DOUBLED, f"{name} is {times} times in Milvus")


def _foreign(
    promises: Promises, rows: Sequence[Row], partitions: Sequence[str]
) -> Iterator[Finding]:
    owned = {row.partition for row in rows if not row.is_deleted or row.state == LEAVING}
    for name in set(partitions) - owned:
        yield Finding(Harm.FOREIGN, f"{name} belongs to no active tenant")
    for row in rows:
        if row.id in promises.deleted() and not row.is_deleted:
            yield Finding(Harm.FOREIGN, f"tenant {row.id} was deleted, and is back")
        if row.partition not in (None, f"tenant_{row.id}"):
            yield Finding(Harm.FOREIGN, f"tenant {row.id} has the partition {row.partition}")
