"""What a list of tenants offers to do to those who are selected in it."""

from typing import Any

from webapp.admin.lists.filters import Choice, Found
from webapp.admin.lists.selection import filter_fields, kinds_for, selection_of
from webapp.models.operation import OperationKind
from webapp.models.states import PartitionState
from webapp.partitions.summary import Summary

OFFERED = {
    PartitionState.FAILED: [OperationKind.RETRY, OperationKind.DELETE],
    PartitionState.REMOVING: [OperationKind.RESTORE],
    PartitionState.REMOVED: [],
}


def selecting(choice: Choice, found: Found, counts: Summary) -> dict[str, Any]:
    """What the templates of a list need for its selection and the bar of actions."""
    return {
        "found": found,
        "kinds_for": kinds_for,
        "selectable": sum(bool(kinds_for(tenant.partition)) for tenant in found.items),
        "offered": _offered(choice, counts),
        "filter_fields": list(filter_fields(selection_of(choice))),
    }


def _offered(choice: Choice, counts: Summary) -> list[OperationKind]:
    """What can be done to some of those whom the filter lets through."""
    if choice.not_requested:
        return [OperationKind.REQUEST, OperationKind.DELETE]
    if choice.state:
        return OFFERED.get(choice.state, [OperationKind.DELETE])
    offered = [OperationKind.RETRY] if counts.states["failed"] else []
    offered += [OperationKind.REQUEST] if counts.not_requested else []
    return [*offered, OperationKind.DELETE]
