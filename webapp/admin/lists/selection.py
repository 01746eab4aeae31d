"""The selection of tenants in a form or an address, and its fields."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

from flask import abort
from werkzeug.datastructures import MultiDict

from webapp.admin.lists.filters import filter_fields, read_choice
from webapp.models.causes import Cause
from webapp.models.operation import OperationKind
from webapp.models.partition import Partition
from webapp.models.states import PartitionState
from webapp.operations.selection import Selection
from webapp.tenants.queries import TenantFilter
from webapp.texts import whole_number

MOST_SELECTED = 1000

# What can be done to tenants by the state of their partition; else they can be deleted.
KINDS: Mapping[PartitionState | None, Sequence[OperationKind]] = {
    None: (OperationKind.REQUEST, OperationKind.DELETE),
    PartitionState.FAILED: (OperationKind.RETRY, OperationKind.DELETE),
    PartitionState.REMOVING: (OperationKind.RESTORE,),
    PartitionState.REMOVED: (),
}

Field = tuple[str, str]


def read_kind(values: MultiDict[str, str]) -> OperationKind:
    """The kind of operation; 404 for an unknown one."""
    kind = values.get("kind", "")
    if kind not in set(OperationKind):
        abort(404)
    return OperationKind(kind)


def read_selection(values: MultiDict[str, str], kind: OperationKind) -> Selection | None:
    """Ticked numbers, a list's filter, or a cause; None for an empty one, which never means all."""
    if values.get("scope") == "matching" or values.get("matching"):
        return _narrow(_selection_of(read_choice(values)), kind)
    if values.get("scope") == "selected":
        numbers = map(whole_number, values.getlist("id"))
        return Selection(tenant_ids=tuple(filter(None, numbers))[:MOST_SELECTED])
    return Selection.of_failed(_cause(values["cause"])) if values.get("cause") else None


def read_causes(values: MultiDict[str, str]) -> list[Selection]:
    return [Selection.of_failed(_cause(code)) for code in values.getlist("causes")]


def fields_of(selection: Selection) -> list[Field]:
    if selection.tenant_ids is not None:
        return [("scope", "selected"), *(("id", str(each)) for each in selection.tenant_ids)]
    return [("scope", "matching"), *filter_fields(selection)]


def kinds_for(partition: Partition) -> Sequence[OperationKind]:
    """What can be done to a tenant whose partition's row this is."""
    if partition.state == PartitionState.READY and partition.rows_lost_at:
        return (OperationKind.ACKNOWLEDGE, OperationKind.DELETE)
    return () if partition.drop_began_at else KINDS.get(partition.state, (OperationKind.DELETE,))


def _selection_of(wanted: TenantFilter) -> Selection:
    return Selection(**{each.name: getattr(wanted, each.name) for each in fields(TenantFilter)})


def _narrow(selection: Selection, kind: OperationKind) -> Selection:
    if selection.state or selection.not_requested or selection.rows_lost:
        return selection
    if kind == OperationKind.RETRY:
        return replace(selection, state=PartitionState.FAILED)
    if kind == OperationKind.REQUEST:
        return replace(selection, not_requested=True)
    if kind == OperationKind.ACKNOWLEDGE:
        return replace(selection, rows_lost=True)
    return selection


def _cause(code: str) -> Cause:
    if code not in set(Cause):
        abort(404)
    return Cause(code)
