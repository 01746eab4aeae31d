"""What the panel calls states, causes and events, and how it says for how long."""

from dataclasses import dataclass
from datetime import datetime

from webapp.database import utc_now
from webapp.tenants.causes import Cause
from webapp.tenants.models import Partition
from webapp.tenants.states import CanaryOutcome, DepartureOutcome, PartitionState


@dataclass(frozen=True)
class Badge:
    """A word with its icon, and the role that colours it."""

    word: str
    icon: str
    role: str


BADGES = {
    PartitionState.PENDING: Badge("pending", "clock", "neutral"),
    PartitionState.PROVISIONING: Badge("provisioning", "arrows", "info"),
    PartitionState.READY: Badge("ready", "check", "success"),
    PartitionState.FAILED: Badge("failed", "octagon", "danger"),
    PartitionState.REMOVING: Badge("removing", "arrow-out", "warning"),
    PartitionState.REMOVED: Badge("removed", "dash", "outline"),
}
NO_WISH = Badge("not requested", "dash", "outline")
STUCK = Badge("stuck", "hourglass", "warning")

CANARIES = {
    CanaryOutcome.PASSED: Badge("passed", "check", "success"),
    CanaryOutcome.FAILED: Badge("failed", "octagon", "danger"),
    CanaryOutcome.NOT_RUN: Badge("could not be made", "warning", "warning"),
}
NO_CANARY = Badge("not made yet", "dash", "outline")

DEPARTURES = {
    DepartureOutcome.DROPPED: "Dropped, and seen to be gone",
    DepartureOutcome.ABSENT: "Nothing was there to drop",
    DepartureOutcome.KEPT: "Left in Milvus, since its rows may be somebody else's",
}

CAUSES = {
    Cause.MILVUS_UNREACHABLE: "Milvus unreachable",
    Cause.TIMEOUT: "No answer in time",
    Cause.RATE_LIMITED: "Pace refused",
    Cause.UNEXPECTED: "Unknown error",
    Cause.COLLECTION_MISSING: "Collection missing",
    Cause.CAPACITY: "Collection full",
    Cause.PARTITION_KEY_MODE: "Partition key in use",
    Cause.AUTH: "Credentials refused",
    Cause.INVALID_NAME: "Name refused",
    Cause.FOREIGN_DATA: "Foreign data",
}

RETRY_HELPS = {
    Cause.MILVUS_UNREACHABLE: "Yes, once Milvus answers.",
    Cause.TIMEOUT: "Yes, usually.",
    Cause.RATE_LIMITED: "Yes, after a while.",
    Cause.UNEXPECTED: "Perhaps. Try one first.",
    Cause.COLLECTION_MISSING: "Only once the collection exists.",
    Cause.CAPACITY: "Only once there is room.",
    Cause.PARTITION_KEY_MODE: "Only with another collection.",
    Cause.AUTH: "Only once the credentials are mended.",
    Cause.INVALID_NAME: "No. Report it.",
    Cause.FOREIGN_DATA: "No. Find the owner of the rows first.",
}

EVENTS = {
    "requested": "Partition requested",
    "dispatched": "Handed to the queue",
    "dispatch_failed": "The queue did not take it",
    "creating": "Attempt started",
    "created": "Partition created",
    "already_exists": "Partition was there already",
    "create_failed": "Attempt failed",
    "fallback": "Trying the script instead of the SDK",
    "handed_back": "Handed back by a stopping worker",
    "lease_expired": "The worker vanished",
    "cause_changed": "The cause is another one now",
    "reopened": "Tried again by itself",
    "retried": "Retry asked for",
    "removing": "Tenant deleted",
    "restored": "Called back",
    "dropping": "Drop begun",
    "drop_failed": "Drop failed",
    "dropped": "Partition dropped, and seen to be gone",
    "absent": "No partition there to drop",
    "kept": "Left in Milvus: the rows may be somebody else's",
    "drift": "Milvus departed from what was wanted",
    "adopt_requested": "Adoption of its rows asked for",
    "empty_requested": "Destruction of its rows asked for",
    "adopted": "Rows of before adopted",
    "emptying": "Dropping the rows of before",
    "emptied": "Rows of before dropped",
}
EVENT_ROLES = {
    "created": "success",
    "already_exists": "success",
    "create_failed": "danger",
    "dispatch_failed": "warning",
    "fallback": "warning",
    "lease_expired": "warning",
    "removing": "warning",
    "restored": "info",
    "drop_failed": "danger",
    "dropped": "success",
    "absent": "success",
    "kept": "warning",
    "drift": "warning",
    "adopt_requested": "warning",
    "empty_requested": "warning",
    "emptying": "warning",
    "emptied": "warning",
    "adopted": "success",
    "creating": "info",
}


def badge(partition: Partition | None) -> Badge:
    """The badge of a partition's state; tenants that were imported may have no wish yet."""
    return BADGES[partition.state] if partition else NO_WISH


def event_word(event: str) -> str:
    """The event's name in words; the name itself where it has none."""
    return EVENTS.get(event.rpartition(".")[2], event)


def event_role(event: str) -> str:
    """The role that colours an event in the timeline."""
    return EVENT_ROLES.get(event.rpartition(".")[2], "neutral")


def duration(seconds: float | None) -> str:
    """A length of time in the one or two units that matter: 12 s, 38 min, 5 h, 3 d."""
    if seconds is None:
        return "unknown"
    whole = max(0, int(seconds))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if whole >= 2 * size or (whole >= size and size == 60):
            return f"{whole // size} {unit}"
    return f"{whole} s"


def remaining(moment: datetime) -> str:
    """How long until the moment, in two units: 6 d 23 h, 38 min 5 s; `0 s` when it is past."""
    seconds = max(0, int((moment - utc_now()).total_seconds()))
    parts = []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        parts.append((seconds // size, unit))
        seconds %= size
    first = next((n for n, (count, _) in enumerate(parts) if count), len(parts) - 1)
    shown = parts[first : first + 2]
    return " ".join(f"{count} {unit}" for count, unit in shown if count or unit == shown[0][1])


def took(milliseconds: int) -> str:
    """How long an attempt took: 12 ms, 1.5 s, 24 s."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 10_000:
        return f"{milliseconds / 1000:.1f} s"
    return duration(milliseconds / 1000)


def ago(moment: datetime | None) -> str:
    """How long ago the moment was."""
    return "never" if moment is None else duration((utc_now() - moment).total_seconds())


def clock(moment: datetime | None) -> str:
    """The time of day in UTC."""
    return "never" if moment is None else f"{moment:%H:%M:%S} UTC"


def stamp(moment: datetime | None) -> str:
    """Date and time in UTC."""
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def minute(moment: datetime) -> str:
    """Date and time in UTC, without seconds: enough for what is days away."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def rows(count: int | None) -> str:
    """A number of rows, which may be unknown."""
    if count is None:
        return "an unknown number of rows"
    return "1 row" if count == 1 else f"{count:,} rows"


def percent(part: int, whole: int) -> int:
    """The share in whole percent, never 100 before it is full."""
    return 0 if whole <= 0 else min(100, part * 100 // whole)


FILTERS = {
    "ago": ago,
    "clock": clock,
    "stamp": stamp,
    "duration": duration,
    "remaining": remaining,
    "minute": minute,
    "rows": rows,
    "took": took,
    "outcome_word": DEPARTURES.__getitem__,
    "canary_badge": lambda last: CANARIES[last.outcome] if last else NO_CANARY,
    "badge": badge,
    "event_word": event_word,
    "event_role": event_role,
    "percent": percent,
    "cause_word": CAUSES.__getitem__,
    "retry_helps": RETRY_HELPS.__getitem__,
}
