"""The actions that a list of tenants offers for its selection."""

from collections.abc import Sequence
from typing import Any

from webapp.admin.base import reading, shell
from webapp.admin.lists.filters import Choice, tenants_page
from webapp.admin.lists.selection import KINDS, kinds_for
from webapp.models.operation import OperationKind
from webapp.partitions.summary import Summary

# Tenants of a page of a list.
PAGE_SIZE = 50


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


def _actions(choice: Choice, counts: Summary) -> Sequence[OperationKind]:
    if choice.rows_lost:
        return (OperationKind.ACKNOWLEDGE, OperationKind.DELETE)
    if choice.not_requested or choice.state:
        return KINDS.get(choice.state, (OperationKind.DELETE,))
    actions = [OperationKind.RETRY] if counts.states["failed"] else []
    actions += [OperationKind.REQUEST] if counts.not_requested else []
    actions += [OperationKind.ACKNOWLEDGE] if counts.rows_lost else []
    return [*actions, OperationKind.DELETE]
