"""What must hold of every step, whatever was done and whoever died in it."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from jobs.drift.missing import MADE_AGAIN
from tests.model.watch import Change, Row, Step
from webapp.models.causes import PROBED, Cause
from webapp.models.partition import Partition, PartitionEvent
from webapp.models.states import TRANSITIONS, WAITING, PartitionState

GONE_TOLD = frozenset({"dropped", "absent", "kept"})
READY_TOLD = frozenset({"created", "already_exists"})
GIVEN_UP_TOLD = frozenset({"create_failed", "handed_back", "lease_expired"})
PLAINLY_TOLD = frozenset({"requested", "removing", "restored", "missing", "found"})
REQUESTED_AGAIN_TOLD = frozenset({"retried", "reopened", "adopt_requested", "empty_requested"})


def check(step: Step, now: datetime) -> None:
    for change in step.changes:
        check_change(change, now)
    check_events(step.changes, step.events)
    for row in step.rows:
        check_way_forward(row)


def check_change(change: Change, now: datetime) -> None:
    """Only allowed transitions; nothing that only grows goes back; one claim at a time."""
    old, new = change.old, change.new
    if new is not None:
        check_moments(new, now)
    if old is None or new is None:
        # A row without a request gets one, or is removed; it is as before when its tenant returns.
        assert change.states in {("", ""), ("", "pending"), ("", "removing"), ("removing", "")}
        return
    if old.state != new.state or change.is_claim:
        allowed = TRANSITIONS[PartitionState(old.state)]
        assert new.state in allowed, f"{old.state} became {new.state}"
    assert new.fence >= old.fence
    assert new.generation >= old.generation
    assert new.dispatch >= old.dispatch
    assert 0 <= new.attempts <= new.max_attempts
    if change.is_claim:
        assert new.fence == old.fence + 1
        if old.state == "provisioning":
            assert old.lease_until
            assert old.lease_until < now, "claimed while another's claim was alive"
    if new.state == "ready" and old.state != "ready":
        assert new.fence == old.fence
        assert new.ready_at
        assert new.ready_at >= new.last_requested_at
    check_need(old, new)


def check_moments(row: Row, now: datetime) -> None:
    """A tenant waits while it lacks its partition, from no later than the first request on.

    One whose partition is missing waits for that request, too.
    """
    assert (row.waiting_since is not None) == (row.state in WAITING)
    assert row.requested_at <= row.last_requested_at <= now
    if row.waiting_since is not None and row.state != "missing":
        assert row.waiting_since <= row.requested_at
    if row.state == "ready":
        assert row.ready_at is not None
        assert row.requested_at <= row.ready_at


def check_need(old: Row, new: Row) -> None:
    """Within a need, its beginning and its first request never move, and its last never back.

    The first request of one whose partition is missing follows its beginning.
    """
    if old.waiting_since is None:
        assert new.state == "missing" or new.waiting_since in {None, new.requested_at}
        return
    assert new.waiting_since in {None, old.waiting_since}
    if old.state == "missing" and new.state == "pending":
        assert new.requested_at == new.last_requested_at
        return
    assert new.requested_at == old.requested_at
    if new.state == "pending" and new.generation > old.generation:
        assert new.last_requested_at >= old.last_requested_at
    else:
        assert new.last_requested_at == old.last_requested_at


def check_events(changes: Sequence[Change], events: Sequence[PartitionEvent]) -> None:
    happened = Counter((change.tenant_id, kind) for change in changes for kind in _kinds(change))
    told = Counter((row.tenant_id, kind) for row in events if (kind := _kind_of(row)))
    assert happened == told


def _kinds(change: Change) -> list[str]:
    match change.states:
        case _ if change.is_claim:
            return ["claimed"]
        case ("provisioning", "ready"):
            return ["ready"]
        case ("provisioning", "pending" | "failed"):
            return ["given up"]
        case ("failed", "pending"):
            return ["requested again"]
        case ("", "pending"):
            return ["requested"]
        case ("removing", "pending" | ""):
            return ["restored"]
        case ("ready" | "missing", "pending"):
            return ["made again"]
        case ("ready", "missing"):
            return ["missing"]
        case ("missing", "ready"):
            return ["found"]
        case ("removing", "removed"):
            return ["gone"]
        case (before, "removing") if before != "removing":
            return ["removing"]
    return []


def _kind_of(event: PartitionEvent) -> str | None:
    name = event.event.removeprefix("milvus.partition.")
    if name == "drift":
        return "made again" if event.message == MADE_AGAIN else None
    kinds = {
        READY_TOLD: "ready",
        GIVEN_UP_TOLD: "given up",
        REQUESTED_AGAIN_TOLD: "requested again",
        GONE_TOLD: "gone",
        frozenset({"orphan_adopted"}): "requested",
        frozenset({"creating"}): "claimed",
    }
    plain = name if name in PLAINLY_TOLD else None
    return next((kind for names, kind in kinds.items() if name in names), plain)


def check_way_forward(row: Partition) -> None:
    """No open request stands where nobody will look at it again."""
    match row.state:
        case PartitionState.PENDING:
            goes_on = row.dispatch_after is not None or (row.dispatched_at and row.job_id)
        case PartitionState.PROVISIONING:
            goes_on = row.lease_until is not None
        case PartitionState.FAILED:
            assert row.cause is not None
            rests = row.cause.is_transient or row.cause in {Cause.CAPACITY, *PROBED}
            goes_on = row.reopen_at is not None if rests else True
        case PartitionState.REMOVING:
            goes_on = row.remove_at is not None
        case _:
            goes_on = True
    assert goes_on, f"tenant {row.tenant_id} is {row.state} for ever"
