"""The actions that a list of tenants offers for its selection."""

from typing import Any

from webapp.admin.lists.filters import Choice, Found, filter_fields
from webapp.admin.lists.selection import kinds_for
from webapp.models.operation import OperationKind
from webapp.models.states import PartitionState
from webapp.partitions.summary import Summary

ACTIONS = {
    PartitionState.FAILED: [OperationKind.RETRY, OperationKind.DELETE],
    PartitionState.REMOVING: [OperationKind.RESTORE],
    PartitionState.REMOVED: [],
}


def selecting(choice: Choice, found: Found, counts: Summary) -> dict[str, Any]:
    """The data that the templates of a list need for selection and actions."""
    return {
        "found": found,
        "kinds_for": kinds_for,
        "selectable": sum(bool(kinds_for(tenant.partition)) for tenant in found.items),
        "offered": _actions(choice, counts),
        "filter_fields": list(filter_fields(choice)),
    }


def _actions(choice: Choice, counts: Summary) -> list[OperationKind]:
    if choice.not_requested:
        return [OperationKind.REQUEST, OperationKind.DELETE]
    if choice.state:
        return ACTIONS.get(choice.state, [OperationKind.DELETE])
    actions = [OperationKind.RETRY] if counts.states["failed"] else []
    actions += [OperationKind.REQUEST] if counts.not_requested else []
    return [*actions, OperationKind.DELETE]
