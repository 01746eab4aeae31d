"""Causes of a failed provisioning: stable codes, and an operator's remedy for each."""

from dataclasses import dataclass
from enum import StrEnum

from webapp.texts import N_


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
    # Of a collection; no attempt fails with these.
    COLLECTION_MOVED = "collection_moved"
    COLLECTION_REPLACED = "collection_replaced"
    PARTITIONS_GONE = "partitions_gone"

    @property
    def is_transient(self) -> bool:
        """True when a retry may succeed without any change by an operator."""
        return self in TRANSIENT

    @property
    def is_hopeless(self) -> bool:
        """True when no retry can succeed, even with Milvus and its settings in order."""
        return self in HOPELESS

    @property
    def advice(self) -> "Advice":
        return ADVICE[self]


@dataclass(frozen=True)
class Advice:
    """A label, and two sentences for an operator."""

    label: str
    meaning: str
    remedy: str


TRANSIENT = frozenset(
    {Cause.MILVUS_UNREACHABLE, Cause.TIMEOUT, Cause.RATE_LIMITED, Cause.UNEXPECTED}
)
PERMANENT = frozenset(Cause) - TRANSIENT
HOPELESS = frozenset({Cause.INVALID_NAME, Cause.FOREIGN_DATA})

# Milvus did not answer; every other cause is an answer.
NO_ANSWER = frozenset({Cause.MILVUS_UNREACHABLE, Cause.TIMEOUT})

# The collection that was known does not exist any more: what was counted in it says nothing.
NOT_THERE = frozenset({Cause.COLLECTION_MISSING, Cause.COLLECTION_REPLACED})

# Only an attempt shows that these are over: the sweep retries one tenant from time to time, and the
# others follow when a partition was created.
PROBED = frozenset({Cause.AUTH, Cause.PARTITION_KEY_MODE})

# What a listing fails of concerns all tenants of its collection; it is over when one is answered.
OF_A_LISTING = TRANSIENT | {Cause.COLLECTION_MISSING, Cause.AUTH}

# These concern a collection, so they are cleared when a request moves to another one.
OF_THE_COLLECTION = frozenset(
    {Cause.COLLECTION_MISSING, Cause.CAPACITY, Cause.PARTITION_KEY_MODE, Cause.AUTH}
)

ADVICE = {
    Cause.MILVUS_UNREACHABLE: Advice(
        N_("Milvus unreachable"),
        N_("No connection to Milvus could be made."),
        N_("Restore Milvus or the network; waiting tenants go on by themselves."),
    ),
    Cause.TIMEOUT: Advice(
        N_("No answer in time"),
        N_("Milvus gave no answer in time; the change may have happened."),
        N_("Look at what was observed; it is asked again by itself."),
    ),
    Cause.RATE_LIMITED: Advice(
        N_("Pace refused"), N_("Milvus refused the pace."), N_("Wait; it is tried again by itself.")
    ),
    Cause.UNEXPECTED: Advice(
        N_("Unknown error"),
        N_("This error is not known."),
        N_("Read the trace, retry one, report it."),
    ),
    Cause.COLLECTION_MISSING: Advice(
        N_("Collection missing"),
        N_("The collection does not exist in Milvus."),
        N_(
            "If it was there before, find out where it went: restore it, or correct MILVUS_URI or "
            "MILVUS_COLLECTION. Create it only for a new installation, or when its rows are given "
            "up. Waiting tenants go on when it is there again; where another one answers, a brake "
            "asks you first."
        ),
    ),
    Cause.CAPACITY: Advice(
        N_("Collection full"),
        N_("The limit of partitions in this collection is reached."),
        N_(
            "Create another collection with the same fields in Milvus, set MILVUS_COLLECTION to "
            "its name, and restart all parts: waiting tenants move there by themselves. Or drop "
            "partitions that are not needed, or raise the limit (on the server and in "
            "MILVUS_MAX_PARTITIONS)."
        ),
    ),
    Cause.PARTITION_KEY_MODE: Advice(
        N_("Partition key in use"),
        N_("Milvus manages this collection's partitions itself."),
        N_("Choose a collection without a partition key."),
    ),
    Cause.AUTH: Advice(
        N_("Credentials refused"),
        N_("Milvus refused the credentials or the rights."),
        N_("Mend MILVUS_TOKEN or the role's grants; retry one tenant, then the group."),
    ),
    Cause.INVALID_NAME: Advice(
        N_("Name refused"),
        N_("Milvus refuses this partition name."),
        N_("A retry cannot help; report it."),
    ),
    Cause.COLLECTION_MOVED: Advice(
        N_("Alias moved"),
        N_("The name is an alias that stands for another collection now."),
        N_(
            "Move the alias back; or, when the tenants' rows are in the other one, run "
            "flask partitions verify --accept-moved."
        ),
    ),
    Cause.COLLECTION_REPLACED: Advice(
        N_("Another collection"),
        N_(
            "Another collection answers under this name than the one that was known, or all that "
            "was known in it is gone."
        ),
        N_(
            "See whether Milvus is the right server, and restore it if it is not. Else decide "
            "under Partitions → Drift, or by flask partitions brake: nothing is made until then."
        ),
    ),
    Cause.PARTITIONS_GONE: Advice(
        N_("Many partitions gone"),
        N_("Many partitions of the collection are gone at once."),
        N_(
            "Find out what happened to Milvus, and restore it if you can. Else decide under "
            "Partitions → Drift, or by flask partitions brake: none is made again until then."
        ),
    ),
    Cause.FOREIGN_DATA: Advice(
        N_("Foreign data"),
        N_("The partition holds rows that are not known to be this tenant's."),
        N_("Stop; find the owner; adopt the partition or have it emptied."),
    ),
}
