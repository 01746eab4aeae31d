"""What is written down of an operation: its row, and the entry in the audit."""

import json
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.tenants import audit
from webapp.tenants.actors import Actor
from webapp.tenants.operations.models import Operation, OperationKind, OperationState
from webapp.tenants.operations.plan import Plan
from webapp.tenants.operations.selection import Selection


def stored(
    kind: OperationKind, selection: Selection, planned: Plan, asked_at: datetime, actor: Actor
) -> Operation:
    """The row of a new operation; none of its tenants is taken yet."""
    return Operation(
        kind=kind,
        state=OperationState.RUNNING,
        asked_at=asked_at,
        actor=actor.name,
        via=actor.via,
        address=actor.address,
        request_id=actor.request_id,
        selection=selection.as_json(),
        cause=selection.sole_cause if kind == OperationKind.RETRY else None,
        tenants=planned.total,
        looked_at=planned.total - planned.accepted,
        next_tenant_id=0,
        accepted=0,
        skipped=json.dumps(planned.skipped),
    )


def written(session: Session, operation: Operation, planned: Plan, actor: Actor) -> audit.Deed:
    """Write into the audit who asked for it, and for whom."""
    asked_for = {
        "selection": json.loads(operation.selection),
        "tenants": planned.accepted,
        "skipped": planned.skipped,
    }
    return audit.write(
        session,
        actor=actor,
        action=f"operation.{operation.kind}",
        target=f"operation {operation.id}",
        before={},
        after=asked_for,
    )


def actor_of(operation: Operation) -> Actor:
    """Who asked for it, also where somebody else goes on with it."""
    return Actor(operation.actor, operation.via, operation.address, operation.request_id)
