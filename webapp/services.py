"""The services of the application, which share one database and one job queue."""

from dataclasses import dataclass

from webapp.csv_import.service import Uploads
from webapp.db.session import Database
from webapp.operations.service import Operations
from webapp.partitions.dispatcher import Dispatcher
from webapp.partitions.pause import Pauses
from webapp.partitions.policy import Policy
from webapp.queue.job_queue import JobQueue
from webapp.settings import Settings
from webapp.tenants.create_many import Bulk
from webapp.tenants.foreign_data import ForeignData
from webapp.tenants.service import TenantService


@dataclass(frozen=True)
class Services:
    """The use cases of the web application and its commands, one object for each subject."""

    database: Database
    policy: Policy
    job_queue: JobQueue
    dispatcher: Dispatcher
    pauses: Pauses
    tenants: TenantService
    bulk: Bulk
    foreign: ForeignData
    operations: Operations
    uploads: Uploads


def build_services(settings: Settings, database: Database) -> Services:
    """The services; none connects before its first call."""
    policy = Policy.model_validate(settings)
    job_queue = JobQueue(settings)
    dispatcher = Dispatcher(database, job_queue, policy)
    return Services(
        database=database,
        policy=policy,
        job_queue=job_queue,
        dispatcher=dispatcher,
        pauses=Pauses(database, dispatcher),
        tenants=TenantService(database, job_queue, dispatcher, policy),
        bulk=Bulk(database, dispatcher, policy),
        foreign=ForeignData(database, dispatcher, policy),
        operations=Operations(database, job_queue, dispatcher, policy),
        uploads=Uploads(database, dispatcher, policy),
    )
