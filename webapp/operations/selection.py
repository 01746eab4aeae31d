"""The tenants of an operation: these numbers, or all that match a filter."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select

from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import GONE, PartitionState
from webapp.models.tenant import Tenant
from webapp.partitions.requests import ROWS_LOST
from webapp.tenants.queries import TenantFilter, conditions

UNSET = (None, "", False)
# As selections were stored before the field had its present name.
FORMER_NAMES = {"without_wish": "not_requested"}


@dataclass(frozen=True)
class Selection(TenantFilter):
    """These numbers or, where there are none, all tenants that match the filter."""

    state: PartitionState | None = None
    tenant_ids: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Keep the numbers ascending, and each once."""
        if self.tenant_ids is not None:
            object.__setattr__(self, "tenant_ids", tuple(sorted(set(self.tenant_ids))))

    @classmethod
    def of_failed(cls, cause: Cause | None = None) -> "Selection":
        """All that failed, or all that failed for this cause."""
        return cls(state=PartitionState.FAILED, cause=cause)

    @property
    def sole_cause(self) -> Cause | None:
        """The cause, where the selection is all that failed for it."""
        return self.cause if self.cause and self == Selection.of_failed(self.cause) else None

    def as_json(self) -> str:
        values = asdict(self)
        return json.dumps({name: value for name, value in values.items() if value not in UNSET})

    @classmethod
    def from_json(cls, text: str) -> "Selection":
        """What `as_json` made, now or in an earlier release."""
        values = {FORMER_NAMES.get(name, name): value for name, value in json.loads(text).items()}
        for name, restore in (("tenant_ids", tuple), ("state", PartitionState), ("cause", Cause)):
            if name in values:
                values[name] = restore(values[name])
        return cls(**values)

    @property
    def is_of_partitions(self) -> bool:
        """Whether columns of partitions alone decide what matches."""
        by_row = self.state or self.cause or self.rows_lost or self.operation_id is not None
        of_tenants = self.q or self.upload_id is not None or self.tenant_ids is not None
        return bool(by_row) and not of_tenants

    def matching(self, asked_at: datetime) -> ColumnElement[bool]:
        """The filter as a condition on what `columns` selects from.

        A tenant that came to match after `asked_at` is left out: no list or count has shown it.
        """
        if self.is_of_partitions:
            wanted = self._of_partitions()
        else:
            wanted = [*conditions(self), Tenant.updated_at <= asked_at]
        if self.state or self.cause:
            # As an expression, it leaves SQLite the index that has all that is counted.
            wanted.append(func.coalesce(Partition.state_since, asked_at) <= asked_at)
        return and_(*wanted)

    def _of_partitions(self) -> list[ColumnElement[bool]]:
        wanted = [Partition.state == self.state if self.state else Partition.state.not_in(GONE)]
        if self.cause:
            wanted.append(Partition.cause == self.cause)
        if self.rows_lost:
            wanted.append(ROWS_LOST)
        if self.operation_id is not None:
            wanted.append(Partition.operation_id == self.operation_id)
        return wanted

    def columns(self, *what: Any) -> Select[Any]:
        """Select these from partitions alone where that suffices, else joined with tenants.

        A planner without statistics, as after a first large import, joins badly.
        """
        if self.is_of_partitions:
            return select(*what).select_from(Partition)
        return select(*what).select_from(Tenant).join(Partition)

    @property
    def number(self) -> ColumnElement[int]:
        """The tenants' number, in what `columns` selects from."""
        return (Partition.tenant_id if self.is_of_partitions else Tenant.id).expression
