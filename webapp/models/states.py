"""The states of a tenant's partition, and the allowed transitions."""

from enum import StrEnum


class PartitionState(StrEnum):
    """The known state of one tenant's partition. The values are part of the API."""

    PENDING = "pending"
    PROVISIONING = "provisioning"
    READY = "ready"
    # Proven before; Milvus, or its collection, has it no more, and a human decides what follows.
    MISSING = "missing"
    FAILED = "failed"
    REMOVING = "removing"
    REMOVED = "removed"


class TenantState(StrEnum):
    """Whether a tenant is deleted. The values are part of the API."""

    ACTIVE = "active"
    DELETED = "deleted"


class Result(StrEnum):
    """Whether an attempt created the partition or found it."""

    CREATED = "created"
    ALREADY_EXISTS = "already_exists"


class Provider(StrEnum):
    """How an attempt called Milvus."""

    SDK = "sdk"
    SCRIPT = "script"


class IfExists(StrEnum):
    """What an attempt does with rows that are not known to be the tenant's."""

    REFUSE = "refuse"
    ADOPT = "adopt"
    EMPTY = "empty"


class DriftKind(StrEnum):
    """How Milvus's partitions differ from the requested ones."""

    MISSING = "missing"
    ORPHAN = "orphan"
    RESURRECTED = "resurrected"
    STUCK = "stuck"
    ADOPTED = "adopted"
    # An orphan that an operator wants to keep.
    ACKNOWLEDGED = "acknowledged"
    # Of a name that no tenant's partition can have.
    OTHER = "other"


class OrphanAction(StrEnum):
    """What is requested of the process that holds Milvus. The values are part of the API."""

    COUNT = "count"
    DROP = "drop"


class OrphanOutcome(StrEnum):
    """How the request ended. The values are part of the API."""

    COUNTED = "counted"
    DROPPED = "dropped"
    ABSENT = "absent"
    REFUSED = "refused"
    FAILED = "failed"


class DepartureOutcome(StrEnum):
    """How a removal ended. The values are part of the record."""

    DROPPED = "dropped"
    ABSENT = "absent"
    KEPT = "kept"


class CanaryOutcome(StrEnum):
    """The result of the last check of the isolation between two partitions."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not_run"


_S = PartitionState

# A new request (retry, reopening, backfill, restore) leads to pending, a deletion to removing. Only
# a claim leads to provisioning, only a proof to ready, only a confirmed absence to removed. Only a
# partition that was ready can be missing; it is ready again once it is listed again.
TRANSITIONS: dict[PartitionState, frozenset[PartitionState]] = {
    _S.PENDING: frozenset({_S.PROVISIONING, _S.FAILED, _S.REMOVING}),
    _S.PROVISIONING: frozenset({_S.PROVISIONING, _S.READY, _S.PENDING, _S.FAILED, _S.REMOVING}),
    _S.READY: frozenset({_S.PENDING, _S.MISSING, _S.REMOVING}),
    _S.MISSING: frozenset({_S.READY, _S.PENDING, _S.REMOVING}),
    _S.FAILED: frozenset({_S.PENDING, _S.PROVISIONING, _S.REMOVING}),
    _S.REMOVING: frozenset({_S.PENDING, _S.REMOVED}),
    _S.REMOVED: frozenset(),
}


def sources_of(target: PartitionState) -> frozenset[PartitionState]:
    """The states from which `target` may follow, for the WHERE of a conditional UPDATE."""
    return frozenset(state for state, following in TRANSITIONS.items() if target in following)


UNSETTLED = (PartitionState.PENDING, PartitionState.PROVISIONING)
# The tenant lacks the partition that it needs.
WAITING = (*UNSETTLED, PartitionState.FAILED, PartitionState.MISSING)
GONE = (PartitionState.REMOVING, PartitionState.REMOVED)
