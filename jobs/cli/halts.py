"""What holds tenants back: a pause, brakes, a restore; as text and as JSON for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from webapp.halts.brake_state import BrakeState, brakes
from webapp.halts.pause_state import PauseState, last_pause
from webapp.halts.restored_state import RestoredState
from webapp.models.control import Installation
from webapp.models.operation import Operation
from webapp.operations.progress import held_in, undispatched
from webapp.times import rfc3339

NO_JOBS = "Redis does not take jobs; the reconciler dispatches when it does."


@dataclass(frozen=True)
class Halts:
    """Why tenants of an operation, or those that it left alone as missing, are not made now."""

    paused: PauseState | None = None
    brakes: Sequence[BrakeState] = ()
    restored: RestoredState | None = None
    takes_no_jobs: bool = False

    @property
    def are_grave(self) -> bool:
        """Whether there is another one than a pause, which is meant."""
        return bool(self.brakes or self.restored or self.takes_no_jobs)

    @property
    def sentences(self) -> list[str]:
        said = [f"Held back: {describe_brake(each)}" for each in self.brakes]
        if self.paused:
            paused = describe_pause(self.paused)
            said.append(f"Provisioning is paused {paused}; flask partitions resume.")
        if self.restored:
            said.append(describe_restore(self.restored))
        return [*said, NO_JOBS] if self.takes_no_jobs else said


def find_halts(session: Session, operation_id: int | None, are_missing: bool) -> Halts:
    """What holds the operation's waiting tenants; `are_missing`: lost ones were left alone."""
    operation = session.get(Operation, operation_id) if operation_id else None
    waiting = held_in(session, operation.id) if operation else {}
    if not waiting and not are_missing:
        return Halts()
    pause, restored = last_pause(session), RestoredState.of(session.get(Installation, 1))
    is_held = {collection for collection, held in waiting.items() if held}
    return Halts(
        pause if pause and pause.lasts else None,
        [each for each in brakes(session) if are_missing or each.collection in is_held],
        restored if restored and restored.is_suspected else None,
        operation is not None and undispatched(session, operation) > 0,
    )


def serialize_pause(state: PauseState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {"since": rfc3339(state.since), "by": state.by, "reason": state.reason}


def describe_pause(state: PauseState) -> str:
    why = f": {state.reason}" if state.reason else ""
    return f"since {state.since:%Y-%m-%d %H:%M:%S} UTC by {state.by}{why}"


def serialize_brake(state: BrakeState) -> dict[str, Any]:
    return {
        "collection": state.collection,
        "reason": state.reason,
        "since": rfc3339(state.since),
        "gone": state.gone,
        "proven": state.proven,
        "acknowledged_at": rfc3339(state.acknowledged_at),
        "acknowledged_by": state.acknowledged_by,
    }


def describe_brake(state: BrakeState) -> str:
    """The brake in lines: what is held back and why, and what can be done."""
    seen = f", seen by {state.acknowledged_by}" if state.acknowledged_by else ""
    advice = state.reason.advice
    decide = ""
    if state.may_go_on:
        decide = f"\n  To make them again: flask partitions brake --make-again {state.collection}"
    return (
        f"{state.collection}: {state.reason} since {state.since:%Y-%m-%d %H:%M:%S} UTC{seen}: "
        f"{describe_gone(state)}\n  {advice.meaning} {advice.remedy}{decide}"
    )


def describe_gone(state: BrakeState) -> str:
    return f"{state.gone} of {state.proven} partitions are missing"


def serialize_restore(state: RestoredState) -> dict[str, Any]:
    return {"at": rfc3339(state.at), "reason": state.reason, "compared": state.is_compared}


def describe_restore(state: RestoredState) -> str:
    found = f"The database was restored, seen {state.at:%Y-%m-%d %H:%M:%S} UTC ({state.reason})"
    if state.is_suspected:
        return f"{found}: nothing is created, made or dropped before Milvus was compared with it."
    return (
        f"{found}; Milvus was compared, and nothing is dropped: look at the tenants that are "
        "removing, then: flask partitions restored --acknowledge"
    )
