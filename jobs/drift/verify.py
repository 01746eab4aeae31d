"""Checks every collection now, for `flask partitions verify`."""

from dataclasses import dataclass, field

from jobs.drift.check import DriftCheck
from jobs.drift.compare import Comparison
from jobs.drift.observations import Observations
from jobs.milvus.store import PartitionStore, StoreError
from webapp.models.audit import Actor
from webapp.models.states import DriftKind
from webapp.partitions.drift import DRIFT, Finding, adopted_ones, stuck_ones
from webapp.services import Services


@dataclass
class Report:
    """All findings. `not_compared` has the error of each collection that was not compared."""

    findings: list[Finding] = field(default_factory=list)
    compared: list[Comparison] = field(default_factory=list)
    not_compared: dict[str, StoreError] = field(default_factory=dict)
    repaired: dict[DriftKind, int] | None = None

    @property
    def is_drift(self) -> bool:
        """True where there is drift, or was before the repair."""
        return any(finding.kind in DRIFT for finding in self.findings)

    def of(self, kind: DriftKind) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind == kind]


class Verification:
    """One check of all collections, which counts the rows of every unwanted partition."""

    def __init__(self, services: Services, store: PartitionStore) -> None:
        self._services = services
        self._store = store
        self._observations = Observations(services.database)
        self._check = DriftCheck(services, store)

    def run(self, *, repair_for: Actor | None = None, accept_for: Actor | None = None) -> Report:
        """Check, and note each proof. With `repair_for` repair as the sweep does.

        With `accept_for` a human confirms first that aliases lead to the right collections.
        Orphaned and stuck partitions are only reported.
        """
        report = Report()
        if repair_for:
            report.repaired = {DriftKind.MISSING: 0, DriftKind.RESURRECTED: 0}
        for collection in self._observations.collections(self._services.policy.collection):
            try:
                if accept_for:
                    self._accept(collection, accept_for)
                comparison = self._check.drift.compare(self._check.read_listing(collection))
            except StoreError as error:
                report.not_compared[collection] = error
            else:
                self._add(comparison, report, repair_for)
        if report.compared:
            with self._services.database.reading() as session:
                report.findings += stuck_ones(session, self._services.policy)
                report.findings += adopted_ones(session)
        return report

    def _accept(self, collection: str, actor: Actor) -> None:
        known, place = self._observations.place(collection), self._store.locate(collection)
        if known is None or known.is_same(place):
            return
        self._services.audit.record_now(
            actor=actor,
            action="partitions.accept_moved",
            target=f"collection {collection}",
            before={"stands_for": known.name},
            after={"stands_for": place.name},
        )
        self._observations.accept(collection, place)

    def _add(self, comparison: Comparison, report: Report, repair_for: Actor | None) -> None:
        if repair_for:
            self._record_audit(comparison, repair_for)
        self._check.drift.note_verified(comparison.listing)
        unwanted = comparison.unwanted
        checked = self._check.run(comparison, unwanted, counted=unwanted, repair=bool(repair_for))
        if report.repaired is not None:
            report.repaired[DriftKind.MISSING] += checked.requested
            report.repaired[DriftKind.RESURRECTED] += checked.dropped
        report.findings += checked.findings
        report.compared.append(comparison)

    def _record_audit(self, comparison: Comparison, actor: Actor) -> None:
        """Recorded before the repair, so that one which dies midway is on record too."""
        back = [each for each in comparison.unwanted if each.kind == DriftKind.RESURRECTED]
        counts = {"missing": len(comparison.missing), "resurrected": len(back)}
        if any(counts.values()):
            self._services.audit.record_now(
                actor=actor,
                action="partitions.repair",
                target=f"collection {comparison.listing.collection}",
                before=counts,
            )
