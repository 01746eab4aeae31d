"""One drift check of a collection: list, compare, request again, count, drop, store."""

import time
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from jobs.drift.brake import decided_at
from jobs.drift.compare import Comparison, Listing, note_dropped, proven_in
from jobs.drift.missing import make_again
from jobs.drift.observations import Observation, located
from jobs.drift.report import reported_in, store_report
from jobs.milvus.store import (
    CollectionMoved,
    CollectionReplaced,
    PartitionStore,
    Place,
    StoreError,
)
from webapp.db.types import utc_now
from webapp.halts.restored_state import are_drops_held
from webapp.logs import get_logger
from webapp.models.causes import NO_ANSWER
from webapp.models.states import DriftKind
from webapp.partitions.drift import Finding
from webapp.partitions.events import row_count
from webapp.services import Services

# Proof that a partition is empty may cost Milvus a flush, so a sweep counts only this many.
AT_ONCE = 20

log = get_logger("paratia.reconcile")


@dataclass(frozen=True)
class Checked:
    """The findings before any repair, and the number of requests and drops of the repair."""

    findings: list[Finding]
    requested: int
    dropped: int


@dataclass(frozen=True)
class DriftCheck:
    """Checks collections. Only an empty partition of a removed tenant is ever dropped."""

    services: Services
    store: PartitionStore

    def observe(self, collection: str) -> tuple[Observation, Listing | None]:
        """One listing as an observation, and the listing where Milvus answered.

        The listing of a collection that replaces the known one is no observation of this one.
        """
        looked_at, started = utc_now(), time.monotonic()
        listing: Listing | None = None
        seen: dict[str, Any]
        try:
            listing = self.read_listing(collection)
            seen = {"partitions": len(listing.names), "place": listing.place}
        except CollectionReplaced as error:
            listing = self._list_other(collection, error.to)
            seen = {"cause": error.cause, "error": error.message}
        except StoreError as error:
            moved_to = error.to if isinstance(error, CollectionMoved) else None
            seen = {"cause": error.cause, "error": error.message, "moved_to": moved_to}
        latency_ms = round((time.monotonic() - started) * 1000)
        return Observation(collection, latency_ms, looked_at=looked_at, **seen), listing

    def read_listing(self, collection: str) -> Listing:
        """Milvus's list of a collection, and the tenants that were ready before the call.

        Raises:
            StoreError: no answer, or the name stands for another collection than before.
        """
        (ready, missing), asked_at = proven_in(self.services.database, collection), utc_now()
        place = located(self.services.database, self.store, collection)
        names = self.store.list_partitions(place.name)
        return Listing(collection, asked_at, ready, names, place, missing)

    def _list_other(self, collection: str, place: Place) -> Listing | None:
        (ready, missing), asked_at = proven_in(self.services.database, collection), utc_now()
        try:
            names = self.store.list_partitions(place.name)
        except StoreError:
            return None
        return Listing(collection, asked_at, ready, names, place, missing, is_replaced=True)

    def sweep(self, comparison: Comparison, *, repair: bool) -> Checked:
        """Check at low cost: rows that an earlier check counted are taken from its report.

        Resurrected partitions alone are counted, at most `AT_ONCE`; `verify` counts anew.
        """
        reported = reported_in(self.services.database, comparison.listing.collection)
        unwanted = [_with_known_rows(each, reported) for each in comparison.unwanted]
        back = [each for each in unwanted if each.kind == DriftKind.RESURRECTED]
        return self.run(comparison, unwanted, counted=back[:AT_ONCE], repair=repair)

    def run(
        self,
        comparison: Comparison,
        unwanted: Sequence[Finding],
        *,
        counted: Iterable[Finding],
        repair: bool,
    ) -> Checked:
        """Repair where wanted, count rows of the `counted`, and store what is left."""
        requested = self._make_again(comparison.listing) if repair else 0
        unwanted, uncounted = self._count(unwanted, set(counted))
        dropped = set(self._drop(unwanted) if repair else ())
        left = [each for each in unwanted if each not in dropped]
        store_report(self.services.database, comparison.listing, left)
        findings = [uncounted.get(each.partition, each) for each in unwanted]
        return Checked([*comparison.missing, *findings], requested, len(dropped))

    def _make_again(self, listing: Listing) -> int:
        decided = decided_at(self.services.database, listing.collection)
        return make_again(self.services, listing, decided)

    def _count(
        self, findings: Sequence[Finding], counted: Set[Finding]
    ) -> tuple[list[Finding], dict[str, Finding]]:
        """The findings with rows, and the one with a note whose count failed: the last call."""
        result: list[Finding] = []
        uncounted: dict[str, Finding] = {}
        for finding in findings:
            if uncounted or finding not in counted:
                result.append(finding)
                continue
            try:
                rows = self.store.count_rows(finding.collection, finding.partition)
                result.append(_with_rows(finding, rows))
            except StoreError as error:
                _log(finding, error)
                result.append(finding)
                note = f"{finding.note}; its rows could not be counted: {error.message}"
                uncounted[finding.partition] = replace(finding, note=note)
        return result, uncounted

    def _drop(self, findings: Sequence[Finding]) -> Iterator[Finding]:
        """Drop the resurrected that are empty at a second count too, none in a pause or a brake."""
        back = (each for each in findings if each.kind == DriftKind.RESURRECTED)
        for finding in back:
            if finding.rows != 0 or self._is_halted(finding.collection):
                continue
            place = (finding.collection, finding.partition)
            try:
                if self.store.count_rows(*place) == 0:
                    self.store.drop_partition(*place)
                    note_dropped(self.services.database, finding)
                    yield finding
            except StoreError as error:
                _log(finding, error)
                if error.cause in NO_ANSWER:
                    return

    def _is_halted(self, collection: str) -> bool:
        services = self.services
        is_halted = services.pauses.is_on() or services.brakes.is_on(collection)
        return is_halted or services.database.read(are_drops_held)


def _with_known_rows(finding: Finding, reported: dict[str, Finding]) -> Finding:
    before = reported.get(finding.partition)
    is_known = before is not None and before.kind == DriftKind.ORPHAN
    return before if before and is_known and finding.kind == DriftKind.RESURRECTED else finding


def _with_rows(finding: Finding, rows: int | None) -> Finding:
    """A resurrected partition that holds rows is an orphan: a human decides about rows."""
    finding = replace(finding, rows=rows, counted_at=utc_now())
    if finding.kind != DriftKind.RESURRECTED or rows == 0:
        return finding
    note = f"its tenant was removed, and it holds {row_count(rows)}"
    return replace(finding, kind=DriftKind.ORPHAN, note=note)


def _log(finding: Finding, error: StoreError) -> None:
    fields = {"collection": finding.collection, "partition": finding.partition}
    log.warning("milvus.drift.not_settled", cause=error.cause, **fields)
