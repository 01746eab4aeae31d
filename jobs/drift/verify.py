"""Compares database and Milvus now, for a human or a script that wants to know."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from jobs.drift.cleanup import Cleanup
from jobs.drift.compare import Comparison, Drift, listing_of
from jobs.drift.observations import Observations
from jobs.drift.report import DriftReport
from jobs.milvus.store import PartitionStore, StoreError
from webapp.models.audit import Actor
from webapp.models.states import DriftKind
from webapp.partitions.drift import DRIFT, Finding, adopted_ones, stuck_ones
from webapp.services import Services


@dataclass
class Report:
    """What was found. A collection that could not be compared is named, with the error."""

    findings: list[Finding] = field(default_factory=list)
    compared: list[Comparison] = field(default_factory=list)
    not_compared: dict[str, StoreError] = field(default_factory=dict)
    repaired: dict[DriftKind, int] | None = None

    @property
    def is_drift(self) -> bool:
        """True where something is not as it is wanted, or was not before it was repaired."""
        return any(finding.kind in DRIFT for finding in self.findings)

    def of(self, kind: DriftKind) -> list[Finding]:
        """The findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]


class Verification:
    """One comparison of all collections, with a connection of its own."""

    def __init__(self, services: Services, store: PartitionStore) -> None:
        self._services = services
        self._database = services.database
        self._store = store
        self._drift = Drift(services.database, services.dispatcher, services.policy)
        self._observations = Observations(services.database)
        self._report = DriftReport(services.database)
        self._cleanup = Cleanup(store, self._drift, services.pauses)

    def run(self, *, repair_for: Actor | None = None, accept_for: Actor | None = None) -> Report:
        """Compare, note each proof, and repair for whoever asks to: what the sweep would, at once.

        With `accept_for` a human says first that aliases lead to the right collections.
        Orphans, and what is stuck, are only reported. Repaired or not, it was drift.
        """
        report = Report()
        if repair_for:
            report.repaired = {DriftKind.MISSING: 0, DriftKind.RESURRECTED: 0}
        for collection in self._observations.collections(self._services.policy.collection):
            try:
                if accept_for:
                    self._accept(collection, accept_for)
                listing = listing_of(self._drift, self._observations, self._store, collection)
            except StoreError as error:
                report.not_compared[collection] = error
                continue
            comparison = self._drift.compare(listing)
            if repair_for:
                self._record_audit(comparison, repair_for)
            self._compare(comparison, report)
        if report.compared:
            with self._database.reading() as session:
                report.findings += stuck_ones(session, self._services.policy)
                report.findings += adopted_ones(session)
        return report

    def _accept(self, collection: str, actor: Actor) -> None:
        """Take the collection that the name stands for now for the right one; it is audited."""
        known, found = self._observations.place(collection), self._store.locate(collection)
        if known is None or known.is_same(found):
            return
        self._services.audit.record_now(
            actor=actor,
            action="partitions.accept_moved",
            target=f"collection {collection}",
            before={"stands_for": known.name},
            after={"stands_for": found.name},
        )
        self._observations.accept(collection, found)

    def _compare(self, comparison: Comparison, report: Report) -> None:
        self._drift.note_verified(comparison.listing)
        unwanted = self._counted(comparison.unwanted)
        left = unwanted
        if report.repaired is not None:
            report.repaired[DriftKind.MISSING] += self._drift.make_again(comparison)
            left = [finding for finding in unwanted if not self._dropped(finding)]
            report.repaired[DriftKind.RESURRECTED] += len(unwanted) - len(left)
        self._report.store(comparison.listing, [*comparison.missing, *left])
        report.findings += [*comparison.missing, *unwanted]
        report.compared.append(comparison)

    def _record_audit(self, comparison: Comparison, actor: Actor) -> None:
        """Say who asked before anything is repaired: whatever comes between, it is known."""
        back = [each for each in comparison.unwanted if each.kind == DriftKind.RESURRECTED]
        found = {"missing": len(comparison.missing), "resurrected": len(back)}
        if any(found.values()):
            self._services.audit.record_now(
                actor=actor,
                action="partitions.repair",
                target=f"collection {comparison.listing.collection}",
                before=found,
            )

    def _counted(self, findings: Iterable[Finding]) -> list[Finding]:
        """With their rows, as far as Milvus tells: after an error the others go uncounted."""
        counted: list[Finding] = []
        asking = True
        for finding in findings:
            try:
                counted.append(self._cleanup.counted(finding) if asking else finding)
            except StoreError as error:
                asking = False
                note = f"{finding.note}; its rows could not be counted: {error.message}"
                counted.append(replace(finding, note=note))
        return counted

    def _dropped(self, finding: Finding) -> bool:
        if finding.kind != DriftKind.RESURRECTED or finding.rows is None:
            return False
        try:
            return self._cleanup.drop(finding)
        except StoreError:
            return False
