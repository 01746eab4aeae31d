"""The operation that made a tenant's request, as the tenant's page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for

from webapp.admin.tenants.timeline import RequestShown
from webapp.admin.wording.actors import who
from webapp.admin.wording.units import counted
from webapp.models.operation import Operation, OperationKind
from webapp.models.partition import PartitionEvent
from webapp.partitions import events

EVENTS = {
    OperationKind.RETRY: {events.RETRIED},
    OperationKind.REQUEST: {events.REQUESTED},
    OperationKind.BACKFILL: {events.REQUESTED, events.RETRIED},
    OperationKind.DELETE: {events.REMOVING},
    OperationKind.RESTORE: {events.RESTORED},
}


@dataclass(frozen=True)
class PartOfMany:
    """The request that the operation made, and the sentence on it."""

    generation: int | None
    sentence: str
    url: str


def part_of(operation: Operation | None, requests: Sequence[RequestShown]) -> PartOfMany | None:
    """The request that the operation made, if it is among these."""
    if operation is None:
        return None
    # The first match: later ones may be requests of the same actor for this tenant alone.
    for request in reversed(requests):
        if request.origin is not None and _has_made(operation, request.origin):
            sentence = SENTENCES[operation.kind](operation.tenants, who=who(operation.actor))
            url = url_for("operations.show", id=operation.id)
            return PartOfMany(request.generation, sentence, url)
    return None


def _has_made(operation: Operation, origin: PartitionEvent) -> bool:
    is_in_time = operation.asked_at <= origin.at and (
        operation.finished_at is None or origin.at <= operation.finished_at
    )
    is_alike = origin.event in EVENTS[operation.kind] and origin.actor == operation.actor
    return is_in_time and is_alike


SENTENCES = {
    OperationKind.RETRY: counted(
        "Retry of %(num)s tenant by %(who)s", "Retry of %(num)s tenants by %(who)s"
    ),
    OperationKind.REQUEST: counted(
        "Request for %(num)s tenant by %(who)s", "Request for %(num)s tenants by %(who)s"
    ),
    OperationKind.BACKFILL: counted(
        "Backfill of %(num)s tenant by %(who)s", "Backfill of %(num)s tenants by %(who)s"
    ),
    OperationKind.DELETE: counted(
        "Deletion of %(num)s tenant by %(who)s", "Deletion of %(num)s tenants by %(who)s"
    ),
    OperationKind.RESTORE: counted(
        "Return of %(num)s tenant by %(who)s", "Return of %(num)s tenants by %(who)s"
    ),
}
