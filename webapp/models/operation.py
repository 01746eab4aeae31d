"""The table of operations."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime, utc_now
from webapp.models.audit import Authored
from webapp.models.base import Model, Number, code


class OperationKind(StrEnum):
    """The action on each tenant of an operation. The values are stored in the audit."""

    RETRY = "retry"
    REQUEST = "request"
    # A request for those without one, another for those that failed and can be helped.
    BACKFILL = "backfill"
    DELETE = "delete"
    RESTORE = "restore"
    # The mark is taken off partitions whose rows may be lost.
    ACKNOWLEDGE = "acknowledge"


class OperationState(StrEnum):
    """Running takes tenants, finished waits for partitions, settled has the final counts."""

    RUNNING = "running"
    FINISHED = "finished"
    SETTLED = "settled"


class Operation(Authored, Model):
    """One action on many tenants, with its progress.

    Tenants are taken by ascending number; `next_tenant_id` is where the next batch begins. Each
    accepted partition carries the operation's number, so that its outcome can be counted.
    """

    __tablename__ = "operation"
    __table_args__ = (
        Index("ix_operation_state_id", "state", "id"),
        Index("ix_operation_cause_id", "cause", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    kind: Mapped[OperationKind] = mapped_column(code(OperationKind))
    state: Mapped[OperationState] = mapped_column(
        code(OperationState), default=OperationState.RUNNING
    )
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    # The selection as JSON, and the cause where the selection is all failures of one cause.
    selection: Mapped[str] = mapped_column(Text)
    cause: Mapped[str | None] = mapped_column(String(32))
    # Whether a backfill takes pre-existing rows of imported tenants for the tenants' own.
    adopt: Mapped[bool] = mapped_column(default=False, server_default=false())
    # How many matched when it was asked for, and how many were looked at since.
    tenants: Mapped[int] = mapped_column(default=0)
    looked_at: Mapped[int] = mapped_column(default=0)
    next_tenant_id: Mapped[int] = mapped_column(Number, default=0)
    accepted: Mapped[int] = mapped_column(default=0)
    # Why the others were skipped, as JSON: reason -> count.
    skipped: Mapped[str] = mapped_column(Text, default="{}")
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The outcome of the accepted ones, once settled.
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ready: Mapped[int | None]
    failed: Mapped[int | None]
