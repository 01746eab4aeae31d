"""What no machine can put right: the short list of what waits for a human, each with its page."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import url_for

from webapp.admin.base import Shell
from webapp.admin.drift import is_stale
from webapp.admin.words import ago, clock
from webapp.settings import Settings
from webapp.tenants.causes import Cause
from webapp.tenants.states import CanaryOutcome, DriftKind, PartitionState


@dataclass(frozen=True)
class Need:
    """One thing that waits for a human, and where it is looked at."""

    key: str
    role: str
    sentence: str
    word: str
    url: str


def needs(frame: Shell, settings: Settings) -> list[Need]:
    """The gravest first; empty where nothing waits for anybody."""
    found = [*_of_milvus(frame, settings), *_of_tenants(frame)]
    return sorted(found, key=lambda need: need.role != "danger")


def broken_isolation(frame: Shell) -> str | None:
    """What the isolation's last check found, where that was rows in a wrong place."""
    for seen in frame.summary.collections:
        if seen.canary and seen.canary.outcome == CanaryOutcome.FAILED:
            return f"{seen.collection}: {seen.canary.message}"
    return None


def _of_milvus(frame: Shell, settings: Settings) -> Iterator[Need]:
    drift = url_for("partitions.index", tab="drift")
    if found := broken_isolation(frame):
        said = f"The check of isolation failed in {found}. Stop searches until you know why."
        yield Need("isolation", "danger", said, "Look at it", drift)
    circuit = frame.summary.circuit
    if circuit.is_open:
        said = (
            f"The circuit to Milvus is open since {clock(circuit.since)}: it answers no attempt. "
            "Restore it; all waiting tenants go on by themselves."
        )
        yield Need("circuit", "warning", said, "See why", url_for("partitions.index", tab="causes"))
    compared_at = frame.summary.collections[0].compared_at
    if frame.summary.tenants and is_stale(compared_at, settings):
        said = "Database and Milvus were never compared. Does the reconciler run?"
        if compared_at:
            said = f"Database and Milvus were last compared {ago(compared_at)} ago."
        yield Need("stale", "warning", said, "See why", drift)


def _of_tenants(frame: Shell) -> Iterator[Need]:
    if foreign := frame.summary.causes.get(Cause.FOREIGN_DATA, 0):
        address = url_for("partitions.index", state=PartitionState.FAILED, cause=Cause.FOREIGN_DATA)
        said = (
            "One partition holds rows that are not known to be its tenant's."
            if foreign == 1
            else f"{foreign} partitions hold rows that are not known to be their tenants'."
        )
        yield Need("foreign", "danger", said, "Decide", address)
    if orphans := frame.drift[DriftKind.ORPHAN]:
        said = (
            "One partition in Milvus is nobody's."
            if orphans == 1
            else f"{orphans} partitions in Milvus are nobody's."
        )
        address = url_for("partitions.index", tab="drift", _anchor="kind-orphan")
        yield Need("orphans", "warning", said, "Show", address)
    if stuck := frame.drift[DriftKind.STUCK]:
        tenants = "One tenant is" if stuck == 1 else f"{stuck} tenants are"
        said = f"{tenants} stuck, and should have come to an end long ago."
        address = url_for("partitions.index", tab="drift", _anchor="kind-stuck")
        yield Need("stuck", "warning", said, "Show", address)
    if held_up := frame.summary.held_up:
        said = (
            "One deleted tenant's partition cannot be dropped"
            if held_up == 1
            else f"{held_up} deleted tenants' partitions cannot be dropped"
        )
        address = url_for("tenant.index_view", state=PartitionState.REMOVING)
        yield Need("held-up", "warning", f"{said}; it is tried again and again.", "Show", address)
