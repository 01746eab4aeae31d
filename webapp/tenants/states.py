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


_S = PartitionState

# A new wish (a retry, a reopening, a backfill) leads back to pending; deletion leads to
# removing from everywhere. Only a claim leads to provisioning, only a proof to ready.
TRANSITIONS: dict[PartitionState, frozenset[PartitionState]] = {
    _S.PENDING: frozenset({_S.PROVISIONING, _S.FAILED, _S.REMOVING}),
    _S.PROVISIONING: frozenset({_S.PROVISIONING, _S.READY, _S.PENDING, _S.FAILED, _S.REMOVING}),
    _S.READY: frozenset({_S.PENDING, _S.REMOVING}),
    _S.FAILED: frozenset({_S.PENDING, _S.PROVISIONING, _S.REMOVING}),
    _S.REMOVING: frozenset({_S.REMOVED}),
    _S.REMOVED: frozenset(),
}


def sources_of(target: PartitionState) -> frozenset[PartitionState]:
    """The states from which `target` may follow; what a conditional UPDATE asks for."""
    return frozenset(state for state, following in TRANSITIONS.items() if target in following)
