"""Why a partition could not be made: stable codes, and what a human should do about each."""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Code of a failure. Scripts rely on the codes, so a code never changes its meaning."""

    MILVUS_UNREACHABLE = "milvus_unreachable"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    UNEXPECTED = "unexpected"
    COLLECTION_MISSING = "collection_missing"
    CAPACITY = "capacity"
    PARTITION_KEY_MODE = "partition_key_mode"
    AUTH = "auth"
    INVALID_NAME = "invalid_name"
    FOREIGN_DATA = "foreign_data"

    @property
    def is_transient(self) -> bool:
        """True when trying again may succeed with nothing changed by a human."""
        return self in TRANSIENT

    @property
    def is_hopeless(self) -> bool:
        """True when no retry can succeed, whatever becomes of Milvus: something else must be done.

        The other permanent causes end once somebody has mended Milvus or its settings.
        """
        return self in HOPELESS

    @property
    def advice(self) -> "Advice":
        """What the cause means, and what an operator does about it."""
        return ADVICE[self]


@dataclass(frozen=True)
class Advice:
    """Two sentences for an operator: what a cause means, and the remedy."""

    meaning: str
    remedy: str


TRANSIENT = frozenset(
    {Cause.MILVUS_UNREACHABLE, Cause.TIMEOUT, Cause.RATE_LIMITED, Cause.UNEXPECTED}
)
PERMANENT = frozenset(Cause) - TRANSIENT
HOPELESS = frozenset({Cause.INVALID_NAME, Cause.FOREIGN_DATA})

# Milvus did not answer at all; every other cause is an answer of its own.
NO_ANSWER = frozenset({Cause.MILVUS_UNREACHABLE, Cause.TIMEOUT})

# Nothing but an attempt shows that these are over: the sweep lets one tenant try now and then,
# and the others follow once somebody's partition was made.
PROBED = frozenset({Cause.AUTH, Cause.PARTITION_KEY_MODE})

# These hold for a collection, so they say nothing any more once a wish moves to another.
OF_THE_COLLECTION = frozenset(
    {Cause.COLLECTION_MISSING, Cause.CAPACITY, Cause.PARTITION_KEY_MODE, Cause.AUTH}
)

ADVICE = {
    Cause.MILVUS_UNREACHABLE: Advice(
        "No connection to Milvus could be made.",
        "Restore Milvus or the network; waiting tenants go on by themselves.",
    ),
    Cause.TIMEOUT: Advice(
        "Milvus gave no answer in time; the change may have happened.",
        "Look at what was observed; it is asked again by itself.",
    ),
    Cause.RATE_LIMITED: Advice(
        "Milvus refused the pace.",
        "Wait; it is tried again by itself.",
    ),
    Cause.UNEXPECTED: Advice(
        "This error is not known.",
        "Read the trace, retry one, report it.",
    ),
    Cause.COLLECTION_MISSING: Advice(
        "The collection does not exist in Milvus.",
        "Create it, or correct MILVUS_COLLECTION; waiting tenants go on by themselves.",
    ),
    Cause.CAPACITY: Advice(
        "The limit of partitions in this collection is reached.",
        "Open another collection, free partitions, or raise the limit "
        "(on the server and in MILVUS_MAX_PARTITIONS).",
    ),
    Cause.PARTITION_KEY_MODE: Advice(
        "Milvus manages this collection's partitions itself.",
        "Choose a collection without a partition key.",
    ),
    Cause.AUTH: Advice(
        "Milvus refused the credentials or the rights.",
        "Mend MILVUS_TOKEN or the role's grants; retry one tenant, then the group.",
    ),
    Cause.INVALID_NAME: Advice(
        "Milvus refuses this partition name.",
        "A retry cannot help; report it.",
    ),
    Cause.FOREIGN_DATA: Advice(
        "The partition holds rows that are not known to be this tenant's.",
        "Stop; find the owner; adopt the partition or have it emptied.",
    ),
}
