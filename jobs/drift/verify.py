"""Checks every collection now, for `flask partitions verify`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobs.drift.brake import guard
from jobs.drift.check import DriftCheck
from jobs.drift.compare import Comparison, compare, note_verified
from jobs.drift.observations import accept_place, known_place, observed_collections
from jobs.milvus.store import PartitionStore, StoreError
from webapp.audit import log as audit
from webapp.db.session import Database
from webapp.halts.brake_state import BrakeState, brakes
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
    # The brakes that are on: nothing was repaired in these collections.
    held: Sequence[BrakeState] = ()

    @property
    def is_drift(self) -> bool:
        """True where there is drift, or was before the repair."""
        return bool(self.held) or any(finding.kind in DRIFT for finding in self.findings)

    def of(self, kind: DriftKind) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind == kind]


def verify(
    services: Services,
    store: PartitionStore,
    *,
    repair_for: Actor | None = None,
    accept_for: Actor | None = None,
) -> Report:
    """Check every collection, count the rows of all unwanted partitions, and note each proof.

    With `repair_for` repair as the sweep does, which is nothing behind a brake. With `accept_for` a
    human confirms first that aliases lead to the right collections. Orphaned and stuck partitions
    are only reported.
    """
    check, database = DriftCheck(services, store), services.database
    report = Report()
    if repair_for:
        report.repaired = {DriftKind.MISSING: 0, DriftKind.RESURRECTED: 0}
    for collection in observed_collections(database, services.policy.collection):
        try:
            if accept_for:
                _accept(services, store, collection, accept_for)
            comparison = compare(database, check.read_listing(collection))
            is_held = guard(database, store, comparison.listing) if repair_for else False
        except StoreError as error:
            report.not_compared[collection] = error
            continue
        if repair_for and not is_held:
            _record_audit(database, comparison, repair_for)
        note_verified(database, comparison.listing)
        _add(check, comparison, report, is_held=is_held)
    with database.reading() as session:
        report.held = brakes(session)
        if report.compared:
            report.findings += stuck_ones(session, services.policy)
            report.findings += adopted_ones(session)
    return report


def _accept(services: Services, store: PartitionStore, collection: str, actor: Actor) -> None:
    known, place = known_place(services.database, collection), store.locate(collection)
    # One of the same name that was made again is accepted by a decision about the brake.
    if known is None or known.name == place.name or known.is_same(place):
        return
    with services.database.transaction() as session:
        audit.record(
            session,
            actor=actor,
            action="partitions.accept_moved",
            target=f"collection {collection}",
            before={"stands_for": known.name},
            after={"stands_for": place.name},
        )
    accept_place(services.database, collection, place)


def _add(check: DriftCheck, comparison: Comparison, report: Report, *, is_held: bool) -> None:
    unwanted, repaired = comparison.unwanted, report.repaired
    # Of another name may be hundreds of another application's.
    counted = [each for each in unwanted if each.kind != DriftKind.OTHER]
    repair = repaired is not None and not is_held
    checked = check.run(comparison, unwanted, counted=counted, repair=repair)
    if repaired is not None:
        repaired[DriftKind.MISSING] += checked.requested
        repaired[DriftKind.RESURRECTED] += checked.dropped
    report.findings += checked.findings
    report.compared.append(comparison)


def _record_audit(database: Database, comparison: Comparison, actor: Actor) -> None:
    """Recorded before the repair, so that one which dies midway is on record too."""
    back = [each for each in comparison.unwanted if each.kind == DriftKind.RESURRECTED]
    counts = {"missing": len(comparison.missing), "resurrected": len(back)}
    if any(counts.values()):
        with database.transaction() as session:
            audit.record(
                session,
                actor=actor,
                action="partitions.repair",
                target=f"collection {comparison.listing.collection}",
                before=counts,
            )
