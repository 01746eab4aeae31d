"""What holds tenants back: a pause, brakes, a restore; as text and as JSON for a terminal."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy import ColumnElement, and_, case, func, or_
from sqlalchemy.orm import Session

from webapp import current
from webapp.db.batching import batches
from webapp.db.types import utc_now
from webapp.halts.brake_state import HELD, BrakeState, brakes
from webapp.halts.pause_state import PauseState, last_pause
from webapp.halts.restored_state import RestoredState
from webapp.models.causes import Cause
from webapp.models.control import Installation
from webapp.models.operation import Operation
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.models.tenant import Tenant
from webapp.operations.progress import undispatched
from webapp.operations.selection import Selection
from webapp.partitions.requests import NOT_REQUESTED
from webapp.services import Services
from webapp.times import rfc3339

NO_JOBS = "Redis does not take jobs; the reconciler dispatches when it does."
CANNOT_END = (
    "This command cannot end before that: it waits until each is ready or failed. Ctrl-C ends the "
    "waiting; what was requested is kept, and goes on by itself."
)
INFERRED = (
    "All partitions that were ready are gone. That may be another collection under the same name: "
    "this Milvus gives collections no number by which that would be known. Find out what happened "
    "to it, and restore it if you can: what is listed again is ready again. Else decide."
)
# The exit code while something other than a pause holds back what a command was asked for.
IS_HELD = 1

# All tenants, also those that come to need a partition later.
EVERYONE = Selection()
NO_ONE = Selection(tenant_ids=())

LACKS: ColumnElement[bool] = or_(
    NOT_REQUESTED,
    Partition.state.in_([PartitionState.PENDING, PartitionState.FAILED, PartitionState.MISSING]),
)


@dataclass(frozen=True)
class Halts:
    """Why the tenants that a command was asked for get no partition now."""

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
            said.append(
                f"Provisioning is paused {paused}. Nothing is made or dropped before it is "
                "resumed: flask partitions resume"
            )
        if self.restored:
            said.append(describe_restore(self.restored))
        return [*said, NO_JOBS] if self.takes_no_jobs else said


def tell_halts(of: Selection, operation_id: int | None = None) -> Halts:
    """Say on stderr what holds these tenants back."""
    halts = find_halts(current.services(), of, operation_id)
    for sentence in halts.sentences:
        click.echo(sentence, err=True)
    return halts


def exit_if_held(of: Selection, operation_id: int | None = None) -> None:
    """End the command with `IS_HELD` where something other than a pause holds these tenants."""
    if find_halts(current.services(), of, operation_id).are_grave:
        sys.exit(IS_HELD)


def end_where_held(tenant_id: int) -> None:
    """Say what holds the tenant's request back, and end as `exit_if_held` does."""
    mine = Selection(tenant_ids=(tenant_id,))
    tell_halts(mine)
    exit_if_held(mine)


def find_halts(services: Services, of: Selection, operation_id: int | None = None) -> Halts:
    """What holds the tenants of the selection and of the operation back that lack a partition.

    Of `EVERYONE` each halt is told. It also finds a restore that no process has noticed yet.
    """
    restored = pending_restore(services)
    with services.database.reading() as session:
        operation = session.get(Operation, operation_id) if operation_id else None
        found = _brakes_of_lacking(session, services.policy.collection, of, operation)
        if found is None:
            return Halts()
        pause = last_pause(session)
        return Halts(
            pause if pause and pause.lasts else None,
            found,
            restored if restored and restored.is_suspected else None,
            operation is not None and undispatched(session, operation) > 0,
        )


def pending_restore(services: Services) -> RestoredState | None:
    """The restore that holds something back; it looks for itself, and writes nothing."""
    state = services.database.read(lambda session: RestoredState.of(session.get(Installation, 1)))
    if state and state.is_pending:
        return state
    doubt = services.incarnations.doubt()
    return (
        RestoredState(utc_now(), doubt, is_suspected=True, acknowledged_at=None) if doubt else None
    )


def _brakes_of_lacking(
    session: Session, in_use: str, of: Selection, operation: Operation | None
) -> Sequence[BrakeState] | None:
    """The brakes that hold them; None where none of them lacks a partition."""
    if of == EVERYONE:
        return brakes(session)
    lacking: dict[str, bool] = {}
    is_held, collection = func.max(case((HELD, 1), else_=0)), Partition.collection
    for which in _conditions(of, operation):
        counted = of.columns(collection, is_held).where(LACKS, which).group_by(collection)
        for name, held in session.execute(counted):
            lacking[name or ""] = lacking.get(name or "", False) or bool(held)
    if not lacking:
        return None
    # A request that is still to be made is for the collection in use.
    is_first = "" in lacking
    return [
        each
        for each in brakes(session)
        if lacking.get(each.collection)
        or (is_first and each.collection == in_use and each.reason == Cause.COLLECTION_REPLACED)
    ]


def _conditions(of: Selection, operation: Operation | None) -> Iterator[ColumnElement[bool]]:
    if operation is not None:
        yield Partition.operation_id == operation.id
    if of.tenant_ids is None:
        yield of.matching(utc_now())
    for batch in batches(of.tenant_ids or ()):
        yield and_(Tenant.id.in_(batch))


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
    meaning = INFERRED if state.is_inferred else f"{advice.meaning} {advice.remedy}"
    decide = ""
    if state.may_go_on:
        decide = (
            f"\n  To make them again, empty: flask partitions brake --make-again {state.collection}"
            f"\n  To leave all as it is: flask partitions brake --wait {state.collection}"
        )
    return (
        f"{state.collection}: {state.reason} since {state.since:%Y-%m-%d %H:%M:%S} UTC{seen}: "
        f"{describe_gone(state)}\n  {meaning}{decide}"
    )


def describe_gone(state: BrakeState) -> str:
    return f"{state.gone} of {state.proven} partitions are missing"


def serialize_restore(state: RestoredState) -> dict[str, Any]:
    return {"at": rfc3339(state.at), "reason": state.reason, "compared": state.is_compared}


def describe_restore(state: RestoredState) -> str:
    """In lines: what was found, what is held back, and what to do next."""
    found = FOUND.get(state.reason, state.reason)
    lines = [f"The database was restored from a backup, seen {state.at:%Y-%m-%d %H:%M:%S} UTC."]
    lines += [f"Found: {found}"] if found else []
    return "\n  ".join([*lines, *(NOT_COMPARED if state.is_suspected else COMPARED)])


# By the codes of `numbers.incarnation`.
FOUND = {
    "other_database": "it is another database or file than the one that Milvus was compared with.",
    "numbers_went_back": "tenants had higher numbers than any in it: it lacks the newest tenants.",
    "clock_went_back": "what was stored later is not in it: it lacks what was done since.",
    "other_installation": "it is new, beside the numbers of another installation.",
}
NOT_COMPARED = (
    "Held back: no tenant is created, and nothing is made or dropped, before Milvus was compared "
    "with it.",
    "Do: see that Milvus answers and a reconciler works, which compares by itself; or compare now: "
    "flask partitions reconcile --once",
)
COMPARED = (
    "Held back: nothing is dropped, since a deletion in the backup may have been taken back later. "
    "Milvus was compared with it, and tenants are created and made.",
    "Do: look at the tenants that are removing (Tenants → Removing), keep those that are to stay "
    "(flask tenants restore --tenant-id N), then: flask partitions restored --acknowledge",
)
