"""The orders of lists, each that of an index, and places in them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, literal, true, tuple_

from webapp.models.base import Number
from webapp.models.partition import Partition
from webapp.models.states import WAITING, PartitionState
from webapp.models.tenant import Tenant
from webapp.tenants.queries import TenantFilter
from webapp.texts import is_storable
from webapp.times import parse_moment


@dataclass(frozen=True)
class Place:
    """A place in a list: next to the tenant with this number and this key in the order."""

    tenant_id: int
    key: str
    # Whether the page ends there; else it begins there.
    is_end: bool = False


@dataclass(frozen=True)
class Order:
    """By a column, if any, then by number. `key_of` writes the value, `value_of` reads it.

    `holds` is what is true of all rows of the order's index, where that is partial.
    """

    column: ColumnElement[Any] | None
    number: ColumnElement[int]
    key_of: Callable[[Tenant], str] = lambda _tenant: ""
    value_of: Callable[[str], Any] = str
    holds: ColumnElement[bool] = field(default_factory=true)

    @property
    def columns(self) -> tuple[ColumnElement[Any], ...]:
        return (self.number,) if self.column is None else (self.column, self.number)

    def behind(self, place: Place) -> ColumnElement[bool]:
        """The condition on tenants after the place.

        Raises:
            ValueError: the key does not belong to this order.
        """
        is_behind: ColumnElement[bool] = tuple_(*self.columns) > self._at(place)
        return is_behind

    def ahead_of(self, place: Place) -> ColumnElement[bool]:
        """The condition on tenants before the place; raises as `behind`."""
        is_ahead: ColumnElement[bool] = tuple_(*self.columns) < self._at(place)
        return is_ahead

    def _at(self, place: Place) -> Any:
        number = literal(place.tenant_id, Number)
        if self.column is None:
            return tuple_(number)
        return tuple_(literal(self.value_of(place.key), self.column.type), number)


def order_of(wanted: TenantFilter) -> Order:
    """By name; of one state, the longest waiting first, or the longest in it.

    Else the order of the filter's index.
    """
    if wanted.upload_id is not None:
        # These are few, and found by their numbers.
        return _BY_NUMBER
    if wanted.operation_id is not None:
        return _BY_STATE
    if wanted.state in WAITING:
        return _LONGEST_WAITING_FIRST
    if isinstance(wanted.state, PartitionState):
        return _LONGEST_FIRST
    return _BY_NUMBER if wanted.not_requested or wanted.rows_lost else _BY_NAME


def _name(text: str) -> str:
    if not is_storable(text):
        raise ValueError("no name has these characters")
    return text


_NUMBER, _OF_PARTITION = Tenant.id.expression, Partition.tenant_id.expression
_BY_NAME = Order(Tenant.name.expression, _NUMBER, lambda tenant: tenant.name, _name)
_BY_NUMBER = Order(None, _OF_PARTITION)
_BY_STATE = Order(
    Partition.state.expression,
    _OF_PARTITION,
    lambda tenant: tenant.partition.state,
    PartitionState,
)
_LONGEST_FIRST = Order(
    Partition.state_since.expression,
    _OF_PARTITION,
    lambda tenant: tenant.partition.state_since.isoformat(),
    parse_moment,
)
_LONGEST_WAITING_FIRST = Order(
    Partition.waiting_since.expression,
    _OF_PARTITION,
    lambda tenant: tenant.partition.lasts_since.isoformat(),
    parse_moment,
    Partition.waiting_since.is_not(None),
)
