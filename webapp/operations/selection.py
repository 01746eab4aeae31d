"""Which tenants somebody means: these numbers, or all that match a filter."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select

from webapp.models.causes import Cause
from webapp.models.partition import Partition
from webapp.models.states import GONE, PartitionState
from webapp.models.tenant import Tenant
from webapp.tenants.queries import TenantFilter, conditions

UNSAID = (None, "", False)


@dataclass(frozen=True)
class Selection:
    """These numbers, or (where there are none) all that the other fields let through."""

    tenant_ids: tuple[int, ...] | None = None
    state: PartitionState | None = None
    cause: Cause | None = None
    q: str = ""
    not_requested: bool = False
    # Those whose partition this operation was the last to turn.
    operation_id: int | None = None

    def __post_init__(self) -> None:
        """Numbers are kept ascending, and each once."""
        if self.tenant_ids is not None:
            object.__setattr__(self, "tenant_ids", tuple(sorted(set(self.tenant_ids))))

    @classmethod
    def of_failed(cls, cause: Cause | None = None) -> "Selection":
        """All that failed, or all that failed for this cause."""
        return cls(state=PartitionState.FAILED, cause=cause)

    @property
    def sole_cause(self) -> Cause | None:
        """The cause, where all that failed for it are meant and nobody else."""
        return self.cause if self.cause and self == Selection.of_failed(self.cause) else None

    def as_json(self) -> str:
        """The selection as it is stored; what says nothing is left out."""
        values = asdict(self)
        return json.dumps({name: value for name, value in values.items() if value not in UNSAID})

    @classmethod
    def from_json(cls, text: str) -> "Selection":
        """What `as_json` made."""
        values = json.loads(text)
        numbers = values.pop("tenant_ids", None)
        state, cause = values.pop("state", None), values.pop("cause", None)
        return cls(
            tenant_ids=tuple(numbers) if numbers is not None else None,
            state=PartitionState(state) if state else None,
            cause=Cause(cause) if cause else None,
            **values,
        )

    @property
    def _filter(self) -> TenantFilter:
        return TenantFilter(
            self.state, self.q, self.cause, self.operation_id, not_requested=self.not_requested
        )

    @property
    def is_of_partitions(self) -> bool:
        """Whether the partitions' rows alone say who is meant."""
        by_row = self.state or self.cause or self.operation_id is not None
        return bool(by_row) and self.tenant_ids is None and not self.q

    def matching(self, asked_at: datetime) -> ColumnElement[bool]:
        """The filter as a condition on what `columns` selects from.

        Whoever came to match it after the moment was not meant: nobody has seen them in a list
        or a count.
        """
        if self.is_of_partitions:
            wanted = self._of_partitions()
        else:
            wanted = conditions(self._filter)
            wanted.append(Tenant.updated_at <= asked_at)
        if self.state or self.cause:
            # As an expression, it leaves SQLite the index that has all that is counted.
            wanted.append(func.coalesce(Partition.state_since, asked_at) <= asked_at)
        return and_(*wanted)

    def _of_partitions(self) -> list[ColumnElement[bool]]:
        wanted = [Partition.state == self.state if self.state else Partition.state.not_in(GONE)]
        if self.cause:
            wanted.append(Partition.cause == self.cause)
        if self.operation_id is not None:
            wanted.append(Partition.operation_id == self.operation_id)
        return wanted

    def columns(self, *what: Any) -> Select[Any]:
        """Select these, from the rows of partitions alone where they say who is meant.

        A planner without statistics, as after a first large import, joins badly.
        """
        if self.is_of_partitions:
            return select(*what).select_from(Partition)
        return select(*what).select_from(Tenant).join(Partition)

    @property
    def number(self) -> ColumnElement[int]:
        """The tenants' number, in what `columns` selects from."""
        return (Partition.tenant_id if self.is_of_partitions else Tenant.id).expression
