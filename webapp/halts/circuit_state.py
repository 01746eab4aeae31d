"""The state of the circuit breaker, for pages."""

from dataclasses import dataclass
from datetime import datetime

from webapp.models.causes import Cause
from webapp.models.control import Circuit

MILVUS = "milvus"


@dataclass(frozen=True)
class CircuitState:
    """Closed or open; where open, since when and why."""

    is_open: bool
    since: datetime | None = None
    cause: Cause | None = None
    message: str | None = None

    @classmethod
    def of(cls, row: Circuit | None) -> "CircuitState":
        if row is None or row.opened_at is None:
            return cls(is_open=False)
        return cls(True, row.opened_at, row.cause, row.message)
