"""Builds the domain's objects for an application: services, sharing database and doorbell."""

from dataclasses import dataclass

from webapp.database import Database
from webapp.settings import Settings
from webapp.tenants import records  # noqa: F401  its tables belong to the schema
from webapp.tenants.activity.fold import Fold
from webapp.tenants.activity.heartbeats import Heartbeats
from webapp.tenants.attempts import Attempts
from webapp.tenants.audit import Audit
from webapp.tenants.backfill import Backfill
from webapp.tenants.bulk import Bulk
from webapp.tenants.canaries import Canaries
from webapp.tenants.circuit import CircuitBreaker
from webapp.tenants.departures import Departures
from webapp.tenants.dispatch import Doorbell
from webapp.tenants.drift import Drift
from webapp.tenants.exports import Exports
from webapp.tenants.foreign import ForeignData
from webapp.tenants.ledger import DriftLedger
from webapp.tenants.numbers import Numbers
from webapp.tenants.observing import Observing
from webapp.tenants.operations.service import Operations
from webapp.tenants.pause import Pauses
from webapp.tenants.repeats import Repeats
from webapp.tenants.ringing import Ringing
from webapp.tenants.rules import Rules
from webapp.tenants.schemas import Schemas
from webapp.tenants.service import TenantService
from webapp.tenants.upkeep import Upkeep
from webapp.tenants.uploads.service import Uploads


@dataclass(frozen=True)
class Domain:
    """Everything that can be done to tenants and their partitions, by whom it is done."""

    rules: Rules
    audit: Audit
    doorbell: Doorbell
    ringing: Ringing
    pauses: Pauses
    tenants: TenantService
    bulk: Bulk
    repeats: Repeats
    foreign: ForeignData
    attempts: Attempts
    circuit: CircuitBreaker
    upkeep: Upkeep
    observing: Observing
    schemas: Schemas
    departures: Departures
    drift: Drift
    ledger: DriftLedger
    numbers: Numbers
    canaries: Canaries
    backfill: Backfill
    operations: Operations
    activity: Fold
    heartbeats: Heartbeats
    uploads: Uploads
    exports: Exports


def build_domain(settings: Settings, database: Database) -> Domain:
    """The domain's objects; none of them connects before it is used."""
    rules = Rules.of(settings)
    doorbell = Doorbell(settings)
    ringing = Ringing(database, doorbell, rules)
    return Domain(
        rules=rules,
        audit=Audit(database),
        doorbell=doorbell,
        ringing=ringing,
        pauses=Pauses(database, ringing),
        tenants=TenantService(database, doorbell, ringing, rules),
        bulk=Bulk(database, ringing, rules),
        repeats=Repeats(database),
        foreign=ForeignData(database, ringing, rules),
        attempts=Attempts(database, rules),
        circuit=CircuitBreaker(database, rules),
        upkeep=Upkeep(database, doorbell, ringing, rules),
        observing=Observing(database),
        schemas=Schemas(database),
        departures=Departures(database, rules),
        drift=Drift(database, ringing, rules),
        ledger=DriftLedger(database),
        numbers=Numbers(database),
        canaries=Canaries(database),
        backfill=Backfill(database, doorbell, ringing, rules),
        operations=Operations(database, doorbell, ringing, rules),
        activity=Fold(database, rules),
        heartbeats=Heartbeats(database),
        uploads=Uploads(database, ringing, rules),
        exports=Exports(database),
    )
