"""Every kind of condition, in the order in which equally grave ones are shown."""

from webapp.conditions.condition import Kind, Part, Place
from webapp.models.causes import Cause
from webapp.texts import N_

_KINDS: list[Kind] = []


def _kind(
    key: str,
    part: Part,
    place: Place,
    what_to_do: str,
    *,
    passes_by_itself: bool = False,
    begins_anew: bool = False,
) -> Kind:
    _KINDS.append(Kind(key, part, place, what_to_do, passes_by_itself, begins_anew))
    return _KINDS[-1]


DATABASE_DOWN = _kind(
    "database_down",
    Part.DATABASE,
    Place.OVERVIEW,
    N_("Restore the database that DATABASE_URL names; all parts connect again by themselves."),
)
DATABASE_REFUSES_WRITES = _kind(
    "database_refuses_writes",
    Part.DATABASE,
    Place.OVERVIEW,
    N_("Free disk space, or make the database writable; nothing that was stored is lost."),
)
SCHEMA_BEHIND = _kind(
    "schema_behind",
    Part.DATABASE,
    Place.OVERVIEW,
    N_("Run .venv/bin/flask db upgrade; all parts go on by themselves."),
)
ISOLATION_BROKEN = _kind(
    "isolation_broken",
    Part.MILVUS,
    Place.DRIFT,
    N_(
        "Stop searches on this Milvus until the reason is known; check it again after that: "
        "flask partitions canary."
    ),
)
BRAKE_ENGAGED = _kind(
    "brake_engaged",
    Part.BRAKE,
    Place.BRAKE,
    N_(
        "Find out what happened to Milvus, and restore it if you can: what is listed again is "
        "ready again. Else decide: flask partitions brake --make-again COLLECTION makes them "
        "again, empty; --wait COLLECTION leaves all as it is."
    ),
    begins_anew=True,
)
ENDS_WITH_IT = N_(
    "Nothing but for the missing collection: the brake ends when that is back with its "
    "partitions. If it comes back without them, an operator decides."
)
DATABASE_RESTORED = _kind(
    "database_restored",
    Part.DATABASE,
    Place.REMOVING,
    N_(
        "See that Milvus answers; then look at the tenants that are removing, keep those that are "
        "to stay, and acknowledge: flask partitions restored --acknowledge."
    ),
)
SETTINGS_DISAGREE = _kind(
    "settings_disagree",
    Part.SETTINGS,
    Place.QUEUES,
    N_("Give all processes the same settings (flask config shows them), and restart those."),
)
MILVUS_DOWN = _kind(
    "milvus_down",
    Part.MILVUS,
    Place.CAUSES,
    N_("Restore Milvus or the network; all waiting tenants go on by themselves."),
)
MILVUS_CREDENTIALS = _kind(
    "milvus_credentials",
    Part.MILVUS,
    Place.CAUSES,
    N_("Correct MILVUS_TOKEN and restart, or correct the grants of its role."),
)
COLLECTION_MISSING = _kind(
    "collection_missing",
    Part.COLLECTION,
    Place.CAUSES,
    Cause.COLLECTION_MISSING.advice.remedy,
)
ALIAS_MOVED = _kind(
    "alias_moved",
    Part.COLLECTION,
    Place.DRIFT,
    N_(
        "Move the alias back; or, where the tenants' rows are in the other collection, run "
        "flask partitions verify --accept-moved."
    ),
)
MILVUS_TROUBLE = _kind(
    "milvus_trouble",
    Part.MILVUS,
    Place.CAUSES,
    N_("Read the error and the log of Milvus; waiting tenants go on by themselves."),
)
REDIS_DOWN = _kind(
    "redis_down",
    Part.REDIS,
    Place.QUEUES,
    N_("Start Redis, or correct REDIS_URL; sign-ups are kept, and go on by themselves."),
)
REDIS_REFUSES_WRITES = _kind(
    "redis_refuses_writes",
    Part.REDIS,
    Place.QUEUES,
    N_(
        "Memory full: raise maxmemory. Read-only replica: let REDIS_URL lead to the primary. "
        "Cannot save: free disk space. No permission: allow the user to read and write all keys."
    ),
)
NO_WORKERS = _kind(
    "no_workers",
    Part.WORKERS,
    Place.QUEUES,
    N_("Start one: .venv/bin/flask worker. Nothing is made until one works."),
)
NO_RECONCILER = _kind(
    "no_reconciler",
    Part.RECONCILER,
    Place.QUEUES,
    N_("Start one: .venv/bin/flask partitions reconcile."),
)
RECONCILER_STALLED = _kind(
    "reconciler_stalled",
    Part.RECONCILER,
    Place.QUEUES,
    N_("Read the reconciler's log, and restart it."),
)
FOREIGN_DATA = _kind(
    "foreign_data",
    Part.TENANTS,
    Place.FOREIGN,
    N_(
        "Find the owner of the rows; then adopt them, or have them destroyed: on the tenant's "
        "page, or by flask partitions adopt or empty."
    ),
)
TENANTS_FAILED = _kind(
    "tenants_failed",
    Part.TENANTS,
    Place.CAUSES,
    N_(
        "See each cause with its remedy, and retry where that can help: Partitions → By cause, or "
        "flask partitions failed and flask partitions retry."
    ),
)
WAIT_FOR_COLLECTION = N_(
    "Nothing but for the missing collection: they are tried again as soon as that is there."
)
COLLECTION_FULL = _kind(
    "collection_full",
    Part.CAPACITY,
    Place.HEADROOM,
    N_(
        "Create another collection, set MILVUS_COLLECTION to it and restart all parts; waiting "
        "tenants move there by themselves. Or raise the limit on the server and in "
        "MILVUS_MAX_PARTITIONS."
    ),
)
COLLECTION_FILLING = _kind(
    "collection_filling",
    Part.CAPACITY,
    Place.HEADROOM,
    N_("Create the next collection before this one is full; see how under Help."),
)
PROVISIONING_PAUSED = _kind(
    "provisioning_paused",
    Part.PROVISIONING,
    Place.QUEUES,
    N_(
        "Resume provisioning when the work on Milvus is done: Partitions → Queues and workers, "
        "flask partitions resume, or POST /api/partitions/resume. Sign-ups are kept until then."
    ),
)
PROCESS_SILENT = _kind(
    "process_silent",
    Part.WORKERS,
    Place.QUEUES,
    N_(
        "Look at that process: it was killed, or hangs. Restart it; a silent process that is not "
        "replaced is forgotten after an hour."
    ),
)
WORKERS_SUSPENDED = _kind(
    "workers_suspended",
    Part.WORKERS,
    Place.QUEUES,
    N_("Let them work again: .venv/bin/rq resume -c jobs.worker."),
)
MILVUS_UNOBSERVED = _kind(
    "milvus_unobserved",
    Part.MILVUS,
    Place.DRIFT,
    N_("See whether the reconciler works; what is shown of Milvus is old."),
)
COMPARISON_STALE = _kind(
    "comparison_stale",
    Part.MILVUS,
    Place.DRIFT,
    N_("See whether the reconciler works, and read its log."),
)
ISOLATION_UNCHECKED = _kind(
    "isolation_unchecked",
    Part.MILVUS,
    Place.DRIFT,
    N_("Read why the last check could not be made, and check again: flask partitions canary."),
)
TENANTS_STUCK = _kind(
    "tenants_stuck",
    Part.TENANTS,
    Place.STUCK,
    N_("See whether workers and reconciler work; the tenant's timeline says how far it came."),
)
PARTITIONS_ORPHANED = _kind(
    "partitions_orphaned",
    Part.TENANTS,
    Place.ORPHANS,
    N_(
        "Find out whose rows they are; then adopt, acknowledge or drop them: Partitions → Drift, "
        "or flask partitions orphans."
    ),
)
REMOVALS_BLOCKED = _kind(
    "removals_blocked",
    Part.TENANTS,
    Place.REMOVING,
    N_("Read the cause on the tenant's page; the drop is tried again by itself."),
)
ROWS_MAY_BE_LOST = _kind(
    "rows_may_be_lost",
    Part.TENANTS,
    Place.ROWS_LOST,
    N_(
        "Load these tenants' documents again, then acknowledge: Tenants → Rows may be lost, or "
        "flask partitions acknowledge --tenant-id N."
    ),
)
PARTITIONS_MISSING = _kind(
    "partitions_missing",
    Part.MILVUS,
    Place.DRIFT,
    N_("Find out what dropped them. Where no brake or pause holds them, they are made again."),
    passes_by_itself=True,
)
HELD_BY_BRAKE = N_("Nothing for themselves: they follow what becomes of the brake that holds them.")
PARTITIONS_RESURRECTED = _kind(
    "partitions_resurrected",
    Part.TENANTS,
    Place.DRIFT,
    N_("Nothing: the sweep drops them again."),
    passes_by_itself=True,
)
OPERATION_UNFINISHED = _kind(
    "operation_unfinished",
    Part.RECONCILER,
    Place.OPERATIONS,
    N_("See how far it is, and whether the reconciler works."),
)
IMPORT_UNFINISHED = _kind(
    "import_unfinished",
    Part.RECONCILER,
    Place.UPLOADS,
    N_("See how far it is, and whether the reconciler works."),
)
RELEASES_DIFFER = _kind(
    "releases_differ",
    Part.SETTINGS,
    Place.QUEUES,
    N_("Restart the processes of the older release, if the upgrade is over."),
)
RETENTION_STALLED = _kind(
    "retention_stalled",
    Part.DATABASE,
    Place.OVERVIEW,
    N_("Free disk space, or mount or create the folder of ARCHIVE_DIR; nothing is deleted before."),
)
TENANTS_WAITING = _kind(
    "tenants_waiting",
    Part.TENANTS,
    Place.WAITING,
    N_("Nothing, if the number goes down. If it does not, see the other conditions and the log."),
    passes_by_itself=True,
)
TENANTS_NOT_REQUESTED = _kind(
    "tenants_not_requested",
    Part.TENANTS,
    Place.NOT_REQUESTED,
    N_("Request their partitions: flask partitions backfill."),
)

KINDS = tuple(_KINDS)
ORDER = {kind.key: number for number, kind in enumerate(KINDS)}
