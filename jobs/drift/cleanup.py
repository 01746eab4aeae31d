"""What is in Milvus though nobody wants it: counted, and dropped where it is known to be empty."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from jobs.drift.compare import Drift
from jobs.milvus.store import PartitionStore, StoreError
from webapp.logs import get_logger
from webapp.models.states import DriftKind
from webapp.partitions.drift import Finding
from webapp.partitions.pause import Pauses

# To tell that a partition is empty may cost Milvus a flush, so a sweep looks into a few.
AT_ONCE = 20

log = get_logger("paratia.reconcile")


class Cleanup:
    """Looks into partitions. Only an empty one of a removed tenant is ever dropped."""

    def __init__(self, store: PartitionStore, drift: Drift, pauses: Pauses) -> None:
        self._store = store
        self._drift = drift
        self._pauses = pauses

    def settle(self, findings: Sequence[Finding]) -> list[Finding]:
        """Drop what came back empty, a few at once; returns what is left, the others too."""
        came_back = [each for each in findings if each.kind == DriftKind.RESURRECTED]
        dropped = set()
        left = {each.partition: each for each in findings}
        for finding in came_back[:AT_ONCE]:
            try:
                counted = left[finding.partition] = self.counted(finding)
                if counted.kind == DriftKind.RESURRECTED and self.drop(counted):
                    dropped.add(finding.partition)
            except StoreError as error:
                fields = {"collection": finding.collection, "partition": finding.partition}
                log.warning("milvus.drift.not_settled", cause=error.cause, **fields)
                break
        return [each for name, each in left.items() if name not in dropped]

    def counted(self, finding: Finding) -> Finding:
        """The finding with its rows; one that came back with rows in it is an orphan.

        Raises:
            StoreError: Milvus did not tell.
        """
        rows = self._store.count_rows(finding.collection, finding.partition)
        if finding.kind != DriftKind.RESURRECTED or rows == 0:
            return replace(finding, rows=rows)
        said = "rows that Milvus cannot count" if rows is None else f"{rows} rows"
        note = f"its tenant was removed, and it holds {said}"
        return replace(finding, kind=DriftKind.ORPHAN, rows=rows, note=note)

    def drop(self, finding: Finding) -> bool:
        """Drop it if it is empty still, the second time it is asked; False when it is not.

        While provisioning is paused it stays, too.

        Raises:
            StoreError: Milvus did not do it.
        """
        if (
            self._pauses.is_on()
            or self._store.count_rows(finding.collection, finding.partition) != 0
        ):
            return False
        self._store.drop_partition(finding.collection, finding.partition)
        self._drift.note_dropped(finding)
        return True


def merge_known(findings: Iterable[Finding], reported: dict[str, Finding]) -> list[Finding]:
    """The findings, each that was found before to hold rows as it was then."""
    return [_merge(finding, reported.get(finding.partition)) for finding in findings]


def _merge(finding: Finding, before: Finding | None) -> Finding:
    came_back = finding.kind == DriftKind.RESURRECTED
    if came_back and before is not None and before.kind == DriftKind.ORPHAN:
        return before
    return finding
