"""The actions that a list of tenants offers for its selection."""

from typing import Any

from webapp.admin.base import reading, shell
from webapp.admin.lists.filters import Choice, tenants_page
from webapp.admin.lists.selection import kinds_for
from webapp.models.operation import OperationKind
from webapp.models.states import PartitionState
from webapp.partitions.summary import Summary

# Tenants of a page of a list.
PAGE_SIZE = 50
ACTIONS = {
    PartitionState.FAILED: [OperationKind.RETRY, OperationKind.DELETE],
    PartitionState.REMOVING: [OperationKind.RESTORE],
    PartitionState.REMOVED: [],
}


def listed(choice: Choice) -> dict[str, Any]:
    """The data of a list: its page, the selection and the actions."""
    counts = shell().summary
    found = tenants_page(reading(), choice, counts, PAGE_SIZE)
    return {
        "found": found,
        "kinds_for": kinds_for,
        "selectable": sum(bool(kinds_for(tenant.partition)) for tenant in found.items),
        "offered": _actions(choice, counts),
    }


def _actions(choice: Choice, counts: Summary) -> list[OperationKind]:
    if choice.not_requested:
        return [OperationKind.REQUEST, OperationKind.DELETE]
    if choice.state:
        return ACTIONS.get(choice.state, [OperationKind.DELETE])
    actions = [OperationKind.RETRY] if counts.states["failed"] else []
    actions += [OperationKind.REQUEST] if counts.not_requested else []
    return [*actions, OperationKind.DELETE]
