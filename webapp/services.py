"""The services of the application, which share one database and one job queue."""

from webapp.csv_import.service import Uploads
from webapp.db.session import Database
from webapp.halts.brakes import Brakes
from webapp.numbers.incarnation import Incarnations
from webapp.numbers.witness import Witness
from webapp.operations.service import Operations
from webapp.partitions.dispatcher import Dispatcher
from webapp.partitions.orphans import Orphans
from webapp.partitions.pause import Pauses
from webapp.partitions.policy import Policy
from webapp.queue.job_queue import JobQueue
from webapp.settings import Settings
from webapp.tenants.adoption import Adoption
from webapp.tenants.create_many import Bulk
from webapp.tenants.foreign_data import ForeignData
from webapp.tenants.losses import Losses
from webapp.tenants.service import TenantService


class Services:
    """The use cases of the web application and its commands, one object for each subject.

    None connects before its first call.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self.database = database
        self.policy = policy = Policy.model_validate(settings)
        self.job_queue = job_queue = JobQueue(settings)
        self.dispatcher = dispatcher = Dispatcher(database, job_queue, policy)
        self.pauses = Pauses(database, dispatcher)
        self.brakes = Brakes(database)
        witness = Witness(settings.var_dir, job_queue.connection)
        self.incarnations = incarnations = Incarnations(database, witness)
        self.orphans = Orphans(database)
        self.adoption = Adoption(database, dispatcher, policy)
        self.tenants = TenantService(database, job_queue, dispatcher, policy, incarnations)
        self.bulk = Bulk(database, dispatcher, policy, incarnations)
        self.foreign = ForeignData(database, dispatcher, policy)
        self.losses = Losses(database)
        self.operations = Operations(database, job_queue, dispatcher, policy)
        self.uploads = Uploads(database, dispatcher, policy, incarnations)
