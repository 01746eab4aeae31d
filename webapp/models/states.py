"""The states of a tenant's partition, and which may follow which."""

from enum import StrEnum


class PartitionState(StrEnum):
    """What is known of one tenant's partition. The values are part of the API."""

    PENDING = "pending"
    PROVISIONING = "provisioning"
    READY = "ready"
    FAILED = "failed"
    REMOVING = "removing"
    REMOVED = "removed"


class TenantState(StrEnum):
    """Whether a tenant is a customer now. The values are part of the API."""

    ACTIVE = "active"
    DELETED = "deleted"


class Result(StrEnum):
    """How a partition was found to exist."""

    CREATED = "created"
    ALREADY_EXISTS = "already_exists"


class Provider(StrEnum):
    """The way a partition was made or found."""

    SDK = "sdk"
    SCRIPT = "script"


class IfExists(StrEnum):
    """What an attempt does with rows that are not known to be the tenant's own."""

    REFUSE = "refuse"
    ADOPT = "adopt"
    EMPTY = "empty"


class DriftKind(StrEnum):
    """How Milvus's list of partitions departs from what the database wants."""

    MISSING = "missing"
    ORPHAN = "orphan"
    RESURRECTED = "resurrected"
    STUCK = "stuck"
    ADOPTED = "adopted"


class DepartureOutcome(StrEnum):
    """What became of a departed tenant's partition. The values are part of the record."""

    DROPPED = "dropped"
    ABSENT = "absent"
    KEPT = "kept"


class CanaryOutcome(StrEnum):
    """What the last check of the isolation between two partitions showed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not_run"


_S = PartitionState

# A new request (a retry, a reopening, a backfill, a departure called back) leads back to pending;
# deletion leads to removing from everywhere. Only a claim leads to provisioning, only a proof to
# ready, only a confirmed absence to removed.
TRANSITIONS: dict[PartitionState, frozenset[PartitionState]] = {
    _S.PENDING: frozenset({_S.PROVISIONING, _S.FAILED, _S.REMOVING}),
    _S.PROVISIONING: frozenset({_S.PROVISIONING, _S.READY, _S.PENDING, _S.FAILED, _S.REMOVING}),
    _S.READY: frozenset({_S.PENDING, _S.REMOVING}),
    _S.FAILED: frozenset({_S.PENDING, _S.PROVISIONING, _S.REMOVING}),
    _S.REMOVING: frozenset({_S.PENDING, _S.REMOVED}),
    _S.REMOVED: frozenset(),
}


def sources_of(target: PartitionState) -> frozenset[PartitionState]:
    """The states from which `target` may follow; what a conditional UPDATE asks for."""
    return frozenset(state for state, following in TRANSITIONS.items() if target in following)


UNSETTLED = (PartitionState.PENDING, PartitionState.PROVISIONING)
GONE = (PartitionState.REMOVING, PartitionState.REMOVED)
