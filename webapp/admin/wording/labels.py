"""The panel's words for states, causes and events."""

from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from webapp.auth.roles import Role
from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.process import ProcessKind
from webapp.models.states import CanaryOutcome, DepartureOutcome, PartitionState
from webapp.partitions.summary import LastCanary


@dataclass(frozen=True)
class Badge:
    """A word with its icon and colour role."""

    word: str
    icon: str
    role: str


BADGES = {
    PartitionState.PENDING: Badge(_l("pending"), "clock", "neutral"),
    PartitionState.PROVISIONING: Badge(_l("provisioning"), "arrows", "info"),
    PartitionState.READY: Badge(_l("ready"), "check", "success"),
    PartitionState.MISSING: Badge(_l("missing"), "drift", "danger"),
    PartitionState.FAILED: Badge(_l("failed"), "octagon", "danger"),
    PartitionState.REMOVING: Badge(_l("removing"), "arrow-out", "warning"),
    PartitionState.REMOVED: Badge(_l("removed"), "dash", "outline"),
}
NOT_REQUESTED = Badge(_l("not requested"), "dash", "outline")
STUCK = Badge(_l("stuck"), "hourglass", "warning")

PROCESSES = {
    ProcessKind.WEB: _l("Web server"),
    ProcessKind.WORKER: _l("Worker"),
    ProcessKind.RECONCILER: _l("Reconciler"),
}
ROLES = {Role.VIEWER: _l("viewer"), Role.OPERATOR: _l("operator"), Role.ADMIN: _l("admin")}

CANARIES = {
    CanaryOutcome.PASSED: Badge(_l("passed"), "check", "success"),
    CanaryOutcome.FAILED: Badge(_l("failed"), "octagon", "danger"),
    CanaryOutcome.NOT_RUN: Badge(_l("could not be made"), "warning", "warning"),
}
NO_CANARY = Badge(_l("not made yet"), "dash", "outline")

DEPARTURES = {
    DepartureOutcome.DROPPED: _l("Dropped, and seen to be gone"),
    DepartureOutcome.ABSENT: _l("Nothing was there to drop"),
    DepartureOutcome.KEPT: _l("Left in Milvus, since its rows may be another tenant's"),
}

CAUSES = {cause: _l(cause.advice.label) for cause in Cause}

RETRY_HELPS = {
    Cause.MILVUS_UNREACHABLE: _l("Yes, once Milvus answers."),
    Cause.TIMEOUT: _l("Yes, usually."),
    Cause.RATE_LIMITED: _l("Yes, after a while."),
    Cause.UNEXPECTED: _l("Perhaps. Try one first."),
    Cause.COLLECTION_MISSING: _l("Only once the collection exists."),
    Cause.CAPACITY: _l("Only once there is room."),
    Cause.PARTITION_KEY_MODE: _l("Only with another collection."),
    Cause.AUTH: _l("Only once the credentials are mended."),
    Cause.INVALID_NAME: _l("No. Report it."),
    Cause.FOREIGN_DATA: _l("No. Find the owner of the rows first."),
    Cause.COLLECTION_MOVED: _l("No. Move the alias back, or accept where it leads."),
    Cause.COLLECTION_REPLACED: _l("No. Decide about the collection first."),
    Cause.PARTITIONS_GONE: _l("No. Decide about the collection first."),
}

# The word of each event, and its colour role.
EVENTS = {
    "requested": (_l("Partition requested"), "neutral"),
    "dispatched": (_l("Handed to the queue"), "neutral"),
    "dispatch_failed": (_l("The queue did not take it"), "warning"),
    "creating": (_l("Attempt started"), "info"),
    "created": (_l("Partition created"), "success"),
    "already_exists": (_l("Partition was there already"), "success"),
    "create_failed": (_l("Attempt failed"), "danger"),
    "fallback": (_l("Trying the script instead of the SDK"), "warning"),
    "handed_back": (_l("Handed back by a stopping worker"), "neutral"),
    "lease_expired": (_l("The worker vanished"), "warning"),
    "cause_changed": (_l("The cause is another one now"), "neutral"),
    "reopened": (_l("Tried again by itself"), "neutral"),
    "retried": (_l("Retry asked for"), "neutral"),
    "removing": (_l("Tenant deleted"), "warning"),
    "restored": (_l("Called back"), "info"),
    "dropping": (_l("Drop begun"), "neutral"),
    "drop_failed": (_l("Drop failed"), "danger"),
    "dropped": (_l("Partition dropped, and seen to be gone"), "success"),
    "absent": (_l("No partition there to drop"), "success"),
    "kept": (_l("Left in Milvus: the rows may be another tenant's"), "warning"),
    "drift": (_l("Milvus departed from what was wanted"), "warning"),
    "orphan_adopted": (_l("Made of an orphan, to adopt its rows"), "info"),
    "missing": (_l("Partition is missing in Milvus"), "danger"),
    "found": (_l("Partition is listed again"), "success"),
    "acknowledged": (_l("Possible loss of rows acknowledged"), "info"),
    "adopt_requested": (_l("Adoption of its rows asked for"), "warning"),
    "empty_requested": (_l("Destruction of its rows asked for"), "warning"),
    "adopted": (_l("Pre-existing rows adopted"), "success"),
    "emptying": (_l("Dropping the pre-existing rows"), "warning"),
    "emptied": (_l("Pre-existing rows dropped"), "warning"),
}


def badge(partition: Partition) -> Badge:
    """The badge of a partition's state; tenants that were imported may have no request yet."""
    return BADGES[partition.state] if partition.is_requested else NOT_REQUESTED


def canary_badge(last: LastCanary | None) -> Badge:
    """The badge of the last isolation check."""
    return CANARIES[last.outcome] if last else NO_CANARY


def state_word(state: PartitionState | str) -> str:
    word = str(BADGES[PartitionState(state)].word)
    return word[:1].upper() + word[1:]


def meaning(cause: Cause) -> str:
    return _(cause.advice.meaning)


def remedy(cause: Cause) -> str:
    return _(cause.advice.remedy)


def event_word(event: str) -> str:
    """The event in words; unknown ones by their name."""
    return str(_of_event(event)[0])


def event_role(event: str) -> str:
    return _of_event(event)[1]


def _of_event(event: str) -> tuple[str, str]:
    return EVENTS.get(event.rpartition(".")[2], (event, "neutral"))
