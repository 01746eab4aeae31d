"""The services of an application, which share one database and one queue."""

from dataclasses import dataclass

from webapp.audit.log import Audit
from webapp.csv_import.service import Uploads
from webapp.db.session import Database
from webapp.idempotency import Repeats
from webapp.operations.service import Operations
from webapp.partitions.backfill import Backfill
from webapp.partitions.collection_schema import Schemas
from webapp.partitions.dispatcher import Ringing
from webapp.partitions.isolation_checks import Canaries
from webapp.partitions.pause import Pauses
from webapp.partitions.policy import Rules
from webapp.queue.job_queue import Doorbell
from webapp.settings import Settings
from webapp.statistics.heartbeats import Heartbeats
from webapp.tenants.create_many import Bulk
from webapp.tenants.export import Exports
from webapp.tenants.foreign_data import ForeignData
from webapp.tenants.numbering import Numbers
from webapp.tenants.service import TenantService


@dataclass(frozen=True)
class Services:
    """What the web application and its commands can do, as one object for each subject."""

    database: Database
    rules: Rules
    audit: Audit
    doorbell: Doorbell
    ringing: Ringing
    pauses: Pauses
    tenants: TenantService
    bulk: Bulk
    repeats: Repeats
    foreign: ForeignData
    schemas: Schemas
    numbers: Numbers
    canaries: Canaries
    backfill: Backfill
    operations: Operations
    heartbeats: Heartbeats
    uploads: Uploads
    exports: Exports


def build_services(settings: Settings, database: Database) -> Services:
    """The services; none of them connects before it is used."""
    rules = Rules.of(settings)
    doorbell = Doorbell(settings)
    ringing = Ringing(database, doorbell, rules)
    return Services(
        database=database,
        rules=rules,
        audit=Audit(database),
        doorbell=doorbell,
        ringing=ringing,
        pauses=Pauses(database, ringing),
        tenants=TenantService(database, doorbell, ringing, rules),
        bulk=Bulk(database, ringing, rules),
        repeats=Repeats(database),
        foreign=ForeignData(database, ringing, rules),
        schemas=Schemas(database),
        numbers=Numbers(database),
        canaries=Canaries(database),
        backfill=Backfill(database, doorbell, ringing, rules),
        operations=Operations(database, doorbell, ringing, rules),
        heartbeats=Heartbeats(database),
        uploads=Uploads(database, ringing, rules),
        exports=Exports(database),
    )
