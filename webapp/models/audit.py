"""The table of audit entries, and the actor of a change."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.types import UtcDateTime, utc_now
from webapp.models.base import Model, Number, code


class Via(StrEnum):
    """The way by which a change was requested. The values are stored in the audit."""

    PANEL = "panel"
    API = "api"
    CLI = "cli"
    QUEUE = "queue"


@dataclass(frozen=True)
class Actor:
    """The author of a change; `address` is the client's, or `user@host` of a command.

    `via` is None for the product itself.
    """

    name: str
    via: Via | None
    address: str | None = None
    request_id: str | None = None

    @property
    def signature(self) -> str:
        """The name, of a command with `user@host`, for a column that has no address beside it."""
        return f"{self.name}:{self.address}" if self.via is Via.CLI and self.address else self.name

    @property
    def columns(self) -> dict[str, str | None]:
        """The values of the columns of `Authored`."""
        of_request = {"address": self.address, "request_id": self.request_id}
        return {"actor": self.name, "via": self.via, **of_request}


class Authored:
    """The columns of a row that records whose change or order it is."""

    actor: Mapped[str] = mapped_column(String(255))
    via: Mapped[Via] = mapped_column(code(Via))
    address: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))

    @property
    def author(self) -> Actor:
        """The actor that the columns were written from."""
        return Actor(self.actor, self.via, self.address, self.request_id)


class AuditEntry(Model):
    """One audit entry.

    The database refuses every change but two: old entries are pruned, a person can be erased. Both
    need an `AuditPermit`.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_tenant_id_id", "tenant_id", "id"),
        Index("ix_audit_entry_at", "at"),
        Index("ix_audit_entry_actor_id", "actor", "id"),
        Index("ix_audit_entry_action_id", "action", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    actor: Mapped[str] = mapped_column(String(255))
    # The origin, as `Actor` has it.
    via: Mapped[Via | None] = mapped_column(code(Via))
    address: Mapped[str | None] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(64))
    # The object, where it is no tenant: `user ops@example.com`, `operation 7`.
    target: Mapped[str | None] = mapped_column(String(255))
    tenant_id: Mapped[int | None] = mapped_column(Number, ForeignKey("tenant.id"))
    before: Mapped[str | None] = mapped_column(Text)
    after: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(String(64))
